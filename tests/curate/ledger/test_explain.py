"""What explain tells of near-duplicates and edits, and how it finds rows and ids."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.explain import NUM_SHOWN, explain, render
from groundup.curate.ledger.alarms import WAYS_OUT
from groundup.curate.ledger.words import STAGES
from groundup.curate.lookup import NUM_NEAREST, find_row, find_rows, nearest_ids
from groundup.curate.rules.config import STAGE_NAMES


@pytest.fixture
def clustered(write_jsonl, prose, curate):
    records = [{"id": f"near{k:02}", "text": f"{prose(3)} and some more words {k}"} for k in range(NUM_SHOWN + 5)]
    records += [{"id": "alone", "text": prose(7)}]
    return curate(CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), validation=0))


def said(explanation) -> str:
    console = Console(width=4000, record=True, file=io.StringIO())
    console.print(render(explanation))
    return console.export_text()


def test_a_near_duplicate_shows_both_ids_the_similarity_and_its_cluster(clustered, rows) -> None:
    dropped = rows(clustered, "dropped")[0]
    explanation = explain(clustered.path, dropped["id"])
    (check,) = explanation.checks
    assert (check.twin_id, check.value, check.threshold) == (dropped["twin_id"], dropped["value"], 0.7)
    assert explanation.cluster.size == NUM_SHOWN + 5
    assert len(explanation.cluster.documents) == NUM_SHOWN
    assert dropped["id"] not in explanation.cluster.documents
    text = said(explanation)
    assert f"'{dropped['id']}' and '{dropped['twin_id']}' share {dropped['value']:.1%} of the runs of five words" in text
    assert f"one of {NUM_SHOWN + 5} documents that are nearly equal" in text


def test_the_one_that_stays_names_those_that_repeat_it(clustered, rows) -> None:
    twin = rows(clustered, "dropped")[0]["twin_id"]
    explanation = explain(clustered.path, twin)
    assert explanation.fate == "train"
    assert len(explanation.copies) == NUM_SHOWN
    assert explanation.cluster.id == rows(clustered, "clusters")[0]["cluster_id"]
    assert "dropped as repeating it: near" in said(explanation)
    assert explain(clustered.path, "alone").cluster is None


def test_edits_of_a_kept_document_are_told(write_jsonl, prose, curate) -> None:
    text = f"{'The time was good and that is so. ' * 3}{prose(1)}.\nwe use cookies to improve.\nno end here\nnor here"
    records = [{"id": "edited", "text": text}, {"id": "clean", "text": text.split("\n", maxsplit=1)[0] + f" {prose(2)}."}]
    made = curate(CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), rules=("c4-jmlr",), validation=0))
    explanation = explain(made.path, "edited")
    by_rule = {edit.rule: (edit.count, edit.bytes) for edit in explanation.edits}
    assert sum(size for _, size in by_rule.values()) == len("we use cookies to improve.") + len("no end here") + len("nor here")
    assert (2, len("no end here") + len("nor here")) in by_rule.values()
    assert explain(made.path, "clean").edits == ()
    assert "of 'c4-jmlr' took out 2 (19 bytes)" in said(explanation)


def test_an_unknown_id_is_answered_with_those_most_like_it(clustered) -> None:
    with pytest.raises(DataError, match=r"no document 'nearer01'; nearest: near01, "):
        explain(clustered.path, "nearer01")
    with pytest.raises(DataError, match="nearest: alone"):
        explain(clustered.path, "LONE")
    with pytest.raises(DataError, match="ids look like 'near"):
        explain(clustered.path, "§§§§")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    ids=st.lists(st.text("ab1:-", min_size=1, max_size=8), min_size=1, max_size=30, unique=True),
    wanted=st.text("ab1:-", min_size=2, max_size=8),
)
def test_nearest_ids_are_those_of_a_slow_search(ids, wanted, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("ids")
    half = len(ids) // 2
    for number, part in enumerate((ids[:half], ids[half:])):
        pq.write_table(pa.table({"id": pa.array(part, pa.string())}), folder / f"{number}.parquet")

    def alike(known: str) -> float:
        if wanted in known:
            return 1 + 1 / (1 + len(known))
        pairs = {wanted[i : i + 2] for i in range(len(wanted) - 1)}
        return min(2 * sum(pair in known for pair in pairs) / max(len(pairs) + len(known) - 1, 1), 1)

    expected = sorted(ids, key=lambda known: (-alike(known), known))[:NUM_NEAREST]
    found, example = nearest_ids([folder], wanted)
    assert found == [known for known in expected if alike(known) >= 0.4]
    assert example == ids[0]


def test_rows_are_found_in_any_file_and_group(tmp_path) -> None:
    for number in range(3):
        table = pa.table({"id": [f"{number}-{i}" for i in range(10)], "of": [str(i % 4) for i in range(10)]})
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=3)
    assert find_row(tmp_path, "2-7") == {"id": "2-7", "of": "3"}
    assert find_row(tmp_path, "3-0") is None
    assert [row["id"] for row in find_rows(tmp_path, "of", "3")] == [f"{n}-{i}" for n in range(3) for i in (3, 7)]


def test_every_stage_has_words_and_a_way_out() -> None:
    assert set(STAGE_NAMES) == STAGES.keys() == WAYS_OUT.keys()
