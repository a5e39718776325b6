"""The page of a curation: on its own and in a run's page, complete, safe, and true to the files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.core.errors import ArtifactError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.run import run, source_hashes
from groundup.report.curation import Histogram
from groundup.report.gather import gather
from groundup.report.histograms import bins_of, tick_values
from groundup.report.page import write_report
from seen_page import EVIL, Page

EVIL_TEXT = EVIL.replace("\x00", "").replace("\ud7ff", "")


def curate(folder: Path, records: list[dict], out: Path, **settings: object) -> Documents:
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    config = CurateConfig(sources=(SourceConfig(name="web", path=folder, licence=EVIL_TEXT),), validation=0, **settings)
    make(Order("curate", "documents", out, config, 0, sources=source_hashes(config)), run, replace=False)
    return Documents.open(out)


def prose(number: int) -> str:
    return " ".join(f"the{i * number % 89} and{i} have{number}" if i % 4 else "the and" for i in range(60))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    folder = tmp_path_factory.mktemp("curation")
    records = [{"id": f"d{i}", "text": prose(i)} for i in range(1, 9)] + [{"id": "short", "text": f"{EVIL_TEXT} short"}] * 12
    records += [{"id": f"women{i}", "text": f"the women {i}"} for i in range(24)]
    records += [{"id": "near", "text": prose(3) + f" {EVIL_TEXT}"}, {"id": "mail", "text": prose(11) + " jane@mail.org"}]
    return curate(folder / "in", records, folder / "docs", rules=("gopher-2021", "refinedweb"))


@pytest.fixture(scope="module")
def html(made: Documents) -> str:
    return write_report(made.path).read_text()


def test_a_curation_alone_has_a_page_beside_it(made: Documents, html: str) -> None:
    assert write_report(made.path) == made.path.with_name("docs.report.html").resolve()
    assert not (made.path / "report.html").exists()
    text = Page(html).text
    for words in (
        "of text in 9 documents, curated from",
        "stage 'gopher-2021' took out 36 of the 46 documents",
        "words; kept if at least 50",
        "repeats near",
        "email 1 1",
        "Data card",
        "gopher-2021 46 documents that came to the stage",
        "gender/women all stages 24 24 100.0%",
        "gopher-2021 36 of 46 documents dropped",
    ):
        assert words in text, words


def test_what_documents_say_is_shown_and_not_run(html: str) -> None:
    page = Page(html)
    assert page.tags["script"] == page.tags["img"] == 0
    assert "<script>alert(1)</script>" in page.text
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert page.values("src") == []


def test_every_histogram_is_drawn_with_its_threshold(made: Documents, html: str) -> None:
    facts = gather(made.path)
    assert facts.curation is not None
    labels = [label for label in Page(html).values("aria-label") if "kept if" in label]
    assert len(labels) == len(facts.curation.histograms) > 10
    for histogram, label in zip(facts.curation.histograms, labels, strict=True):
        assert label.startswith(f"{histogram.rule} of {histogram.stage}")


def test_groups_are_drawn_at_each_stage_that_dropped_something(made: Documents, html: str) -> None:
    facts = gather(made.path)
    assert facts.curation is not None
    (women,) = [one for one in facts.curation.groups if one.documents_before]
    assert (women.group, women.documents_before, women.documents_after) == ("gender/women", 24, 0)
    labels = [label for label in Page(html).values("aria-label") if "percentage points" in label]
    compared = [stage for stage in (women.whole, *women.stages) if stage.difference is not None]
    assert [label.split(":")[0] for label in labels] == [stage.stage for stage in compared] == ["all stages", "gopher-2021"]
    assert all(f"gender/women {100 * stage.value:+.1f}" in label for label, stage in zip(labels, compared, strict=True))


def test_the_page_of_a_run_holds_it_too(made: Documents, tmp_path: Path) -> None:
    line = tmp_path / "line"
    line.mkdir()
    (line / "curate").symlink_to(made.path.resolve())
    page = Page(write_report(line).read_text())
    assert "Rules that dropped something" in page.text
    assert write_report(line) == line / "report.html"


def test_a_damaged_curation_is_told(made: Documents, tmp_path: Path) -> None:
    shutil.copytree(made.path, tmp_path / "docs")
    (tmp_path / "docs" / "clusters.json").write_text('{"clusters": 1}')
    with pytest.raises(ArtifactError, match=r"clusters\.json"):
        gather(tmp_path / "docs")


def histogram(edges: list[float], counts: list[int], bound: str, threshold: float) -> Histogram:
    return Histogram(
        stage="s", rule="r", description="d", bound=bound, threshold=threshold, of="documents", edges=edges, counts=counts
    )


@pytest.mark.parametrize(
    ("bound", "threshold", "dropped", "place"),
    [
        ("at_least", 2, [True, False, False], 1.0),
        ("above", 2, [True, True, False], 2.0),
        ("at_most", 2, [False, False, True], 2.0),
        ("at_most", 2.5, [False, False, True], 1.5),
        ("below", 3, [False, False, True], 2.0),
    ],
)
def test_bins_on_the_wrong_side_of_the_threshold_are_dropped(
    bound: str, threshold: float, dropped: list[bool], place: float
) -> None:
    bins = bins_of(histogram([0, 1, 2, 3, 4], [0, 5, 6, 7, 0], bound, threshold))
    assert bins.counts.tolist() == [5, 6, 7]
    assert bins.edges.tolist() == [1, 2, 3, 4]
    assert bins.is_dropped.tolist() == dropped
    assert bins.threshold == place


def test_documents_without_any_are_kept_where_none_is_allowed() -> None:
    bins = bins_of(histogram([0, 1, 2], [5, 6, 7], "at_most", 0))
    assert (bins.is_dropped.tolist(), bins.threshold) == ([False, True, True], 1.0)


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=40),
    st.floats(0, 60),
    st.sampled_from(["at_least", "at_most", "above", "below"]),
)
def test_no_value_is_left_out_of_the_drawing(counts: list[int], threshold: float, bound: str) -> None:
    bins = bins_of(histogram(list(map(float, range(len(counts)))), counts, bound, threshold))
    assert bins.counts.sum() == sum(counts)
    assert bins.threshold is not None
    assert 0 <= bins.threshold <= len(bins.counts)
    assert len(bins.edges) == len(bins.counts) + 1


def test_axes_have_round_numbers() -> None:
    assert tick_values(np.linspace(0, 1.01, 102)) == [0, 0.5, 1.0]
    assert tick_values(np.array([0, 1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100.0])) == [0, 1, 10, 100]
    assert tick_values(np.array([3.0, 5.0, 7.0, 8.0])) == [3.0]
