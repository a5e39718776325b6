"""The watch over a run on its page."""

from pathlib import Path

import pytest

from builders import build
from fake_run import make_run
from groundup.artifacts.band import BAND_FILE, Band, BandFacts, BandPoint
from groundup.artifacts.build import Job, Outcome
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.report.page import write_report
from groundup.report.watched import WATCH_FILE, read_watched
from groundup.train.hooks import watch
from seen_page import Page

LEFT = {"step": 96, "tokens": 393_216, "side": "above", "loss": 6.2, "expected": 5.1, "low": 4.9, "high": 5.3, "stopped": True}


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Band:
    ends = {"low_95": -0.4, "low_80": -0.2, "high_80": 0.2, "high_95": 0.4}
    points = tuple(
        BandPoint(tokens=tokens, loss=loss, **{name: loss + off for name, off in ends.items()})
        for tokens, loss in ((100_000, 6.0), (983_040, 4.0))
    )
    facts = BandFacts(
        params=1000,
        tokens=983_040,
        vocab_size=350,
        tokenizer="t" * 64,
        held_out="h" * 64,
        held_out_tokens=64,
        held_out_targets=64,
        shards="s" * 64,
        runs=8,
        flops_ratio=10.0,
        points=points,
    )

    def write(_: Config, job: Job) -> Outcome:
        write_json(job.out / BAND_FILE, facts.model_dump(mode="json"))
        return Outcome({"params": facts.params})

    return build(Band, tmp_path_factory.mktemp("band") / "band", write)


def page_of(folder: Path, band: str, content_hash: str, left: tuple[dict[str, object], ...] = ()) -> Page:
    def pretrain(out: Path) -> None:
        write_json(out / WATCH_FILE, {"band": band, "content_hash": content_hash, "left": left})

    return Page(write_report(make_run(folder, until="pretrain", pretrain=pretrain)).read_text())


def drawn(page: Page) -> list[str]:
    return [label for label in page.values("aria-label") if "over the band" in label]


def test_the_run_is_drawn_over_its_band_and_where_it_left_it_is_told(band: Band, tmp_path: Path) -> None:
    page = page_of(tmp_path / "demo", str(band.path), band.content_hash, (LEFT,))
    assert "above it after step 96, with a loss of 6.20 where 5.10 was expected (4.90 to 5.30), and was stopped" in page.text
    assert len(drawn(page)) == 2
    assert drawn(page)[0].startswith("Held-out loss after 983,040 tokens is 3.95")


def test_a_run_inside_its_band_says_so(band: Band, tmp_path: Path) -> None:
    page = page_of(tmp_path / "demo", str(band.path), band.content_hash)
    assert "It did not leave the band of its ladder" in page.text
    assert len(drawn(page)) == 2


def test_a_band_that_is_gone_or_another_is_not_drawn(band: Band, tmp_path: Path) -> None:
    for name, place, content_hash in (("gone", str(tmp_path / "no"), band.content_hash), ("other", str(band.path), "0" * 64)):
        page = page_of(tmp_path / name, place, content_hash, (LEFT,))
        assert "The band itself is no longer where it was" in page.text
        assert not drawn(page)


def test_a_run_without_a_band_tells_nothing_of_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo", until="pretrain")
    assert read_watched(run / "pretrain") is None
    assert "smaller runs" not in Page(write_report(run).read_text()).text
    assert WATCH_FILE == watch.WATCH_FILE
