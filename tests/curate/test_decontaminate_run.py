"""A curation that looks for items of benchmarks."""

import pytest

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.core.engines import Workers
from groundup.core.errors import ConfigError, DataError
from groundup.curate.config import CurateConfig
from groundup.curate.explain import explain
from groundup.curate.run import run, source_hashes

QUESTION = "If a train leaves the station at noon and travels for 3 hours at 60 miles an hour, how far does it go?"
SHORT = "Who wrote the first book about the moon?"


@pytest.fixture
def config(write_jsonl, prose, tmp_path):
    def build(**settings) -> CurateConfig:
        records = [{"id": f"d{i}", "text": prose(i)} for i in range(12)]
        records[3]["text"] += f"\n\nQ: {QUESTION.upper()}"
        records[5]["text"] = f"{SHORT} {prose(5)} {SHORT.replace('?', '!')}"
        records[7]["text"] += " " + " ".join(QUESTION.split()[:14])
        records[9]["id"] = "d3"
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks/train.csv").write_text(f'key,question,answer\nq1,"{QUESTION}",180\nq2,{SHORT},no one\nq3,Why?,so\n')
        items = {"path": str(tmp_path / "tasks"), "fields": ["question"], "id_field": "key"}
        sources = [{"name": "s", "path": str(write_jsonl(records))}]
        data = {"sources": sources, "validation": 0.1, "part_bytes": 4096, "decontaminate": {"items": [items], **settings}}
        return CurateConfig.parse(data, "recipe.yaml")

    return build


def test_documents_with_items_go_and_the_report_says_where(config, curate, rows, capfd, prose):
    made = curate(config())
    dropped = {row["id"]: row for row in rows(made, "dropped")}
    assert set(dropped) == {"d3", "d5", "d7"}
    assert {row["stage"] for row in dropped.values()} == {"decontaminate"}
    assert [dropped[name]["twin_id"] for name in ("d3", "d5", "d7")] == ["q1", "q2", "q1"]
    assert (dropped["d3"]["rule"], dropped["d3"]["value"], dropped["d3"]["threshold"]) == ("benchmark_item", 1.0, 0.0)
    assert dropped["d7"]["value"] == pytest.approx(2 / (len(QUESTION.split()) - 12))
    texts = {"d3": f"{prose(3)}\n\nQ: {QUESTION.upper()}", "d5": f"{SHORT} {prose(5)} {SHORT}"}
    found = [
        (row["id"], row["item_id"], texts[row["id"]][row["start"] : row["end"]])
        for row in rows(made, "contamination")
        if row["id"] in texts
    ]
    assert found == [("d3", "q1", QUESTION.upper().rstrip("?")), ("d5", "q2", SHORT.rstrip("?")), ("d5", "q2", SHORT.rstrip("?"))]
    assert "1 items are too short to be sought (q3)" in " ".join(capfd.readouterr().err.split())
    stages = {stage["stage"]: stage for stage in made.funnel["stages"]}
    assert stages["decontaminate"]["by_rule"] == {"benchmark_item": 3}
    check = explain(made.path, "d3").checks[0]
    assert (check.stage, check.bound, check.twin_id) == ("decontaminate", "at_most", "q1")


def test_explain_tells_how_much_a_kept_document_has_of_an_item(config, curate):
    made = curate(config(min_share=0.5))
    kept = {
        name: next(check for check in explain(made.path, name).checks if check.stage == "decontaminate") for name in ("d1", "d7")
    }
    assert (kept["d1"].value, kept["d1"].bound, kept["d1"].threshold, kept["d1"].passed, kept["d1"].twin_id) == (
        0,
        "below",
        0.5,
        True,
        None,
    )
    assert kept["d7"].value == pytest.approx(2 / (len(QUESTION.split()) - 12))
    assert (kept["d7"].passed, kept["d7"].twin_id) == (True, "q1")


def test_a_share_of_an_item_may_be_asked(config, curate, rows):
    assert {row["id"] for row in rows(curate(config(min_share=0.5)), "dropped")} == {"d3", "d5"}


def test_any_number_of_workers_finds_the_same(config, tmp_path):
    hashes = set()
    for count in (1, 2):
        settings, out = config(), tmp_path / f"out{count}"
        order = Order("curate", "documents", out, settings, 0, sources=source_hashes(settings), workers=Workers("local", count))
        make(order, run, replace=False)
        hashes.add(Documents.open(out).content_hash)
    assert len(hashes) == 1


def test_changed_items_are_another_order(config, tmp_path):
    before = source_hashes(config())
    (tmp_path / "tasks/more.txt").write_text("one item of a task\n")
    after = source_hashes(config())
    assert before["decontaminate/0"] != after["decontaminate/0"]
    assert before["s"] == after["s"]


def test_items_that_cannot_be_sought_are_refused(config, curate):
    with pytest.raises(DataError, match=r"none of the 3 items of curate\.decontaminate has a text of 100 words or more"):
        curate(config(min_words=100, ngram_words=200))
    with pytest.raises(ConfigError, match=r"did you mean 'ngram_words'"):
        config(ngrams=3)
