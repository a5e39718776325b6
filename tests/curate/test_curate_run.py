"""The whole stage on small real inputs."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA, DROPPED_SCHEMA, REDACTION_SCHEMA
from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.explain import explain
from groundup.curate.leakage import LeakageIndex
from groundup.curate.passes import finish
from groundup.curate.passes.tables import ParquetTable
from groundup.curate.run import run, source_hashes


@pytest.fixture
def mixed(write_jsonl, prose):
    """A corpus with one of everything, its settings."""
    records = [{"id": f"good-{i}", "text": prose(i)} for i in range(40)]
    records += [
        {"id": "zcopy", "text": "  " + prose(3).upper().replace(" ", "  ")},
        {"id": "short", "text": "the end and more"},
        {"id": "repeated", "text": "the same words come back and back again here\n" * 20},
        {"id": "good-1", "text": prose(101)},
        {"id": "mail", "text": prose(102) + "\n\n\n\nwrite to jane@mail.org from 93.184.216.34\r\n"},
        {"id": "empty", "text": " \n "},
        {"id": "controls", "text": "\u0001\u0002"},
        {"text": None},
    ]
    return CurateConfig(sources=(SourceConfig(name="web", path=write_jsonl(records), licence="CC0", weight=2.0),), validation=0.1)


def test_every_document_has_its_fate_and_reason(mixed, curate, rows):
    made = curate(mixed)
    dropped = {row["id"]: row for row in rows(made, "dropped")}
    kept = {row["id"]: row for table in ("documents", "validation") for row in rows(made, table)}
    assert {key: row["rule"] for key, row in dropped.items()} == {
        "zcopy": "exact_duplicate",
        "short": "words_min",
        "repeated": "duplicate_lines",
        "empty": "empty",
        "controls": "empty",
        "web:corpus.jsonl:48": "no_text",
    }
    assert (dropped["short"]["value"], dropped["short"]["threshold"], dropped["short"]["stage"]) == (4, 50, "gopher-2021")
    assert dropped["zcopy"]["twin_id"] == "good-3"
    assert kept["good-3"]["text"].upper().startswith(dropped["zcopy"]["excerpt"])
    assert dropped["repeated"]["value"] == 0.95
    assert kept.keys() == {f"good-{i}" for i in range(40)} | {"web:good-1", "mail"}
    assert len(kept) + len(dropped) == made.manifest.counts["collected"] == 48


def test_tables_counts_and_funnel_agree(mixed, curate, rows):
    made = curate(mixed)
    counts = made.manifest.counts
    tables = {name: rows(made, name) for name in ("documents", "validation", "dropped", "redactions")}
    assert counts["documents"] == len(tables["documents"])
    assert counts["validation_documents"] == len(tables["validation"]) >= 1
    assert counts["dropped"] == len(tables["dropped"])
    assert counts["redactions"] == len(tables["redactions"]) == 2
    assert counts["bytes"] == sum(row["bytes"] for row in tables["documents"])
    for row in tables["documents"] + tables["validation"]:
        assert row["bytes"] == len(row["text"].encode())
        assert row["tokens_estimate"] == -(-row["bytes"] // 4)
    funnel = made.funnel
    names = ["collect", "normalise", "gopher-2021", "gopher-2021-repetition"]
    names += ["deduplicate", "near_duplicates", "leakage", "redact"]
    assert [stage["stage"] for stage in funnel["stages"]] == names
    for stage in funnel["stages"]:
        by_rule = {}
        for row in tables["dropped"]:
            if row["stage"] == stage["stage"]:
                by_rule[row["rule"]] = by_rule.get(row["rule"], 0) + 1
        assert stage["by_rule"] == by_rule
        assert stage["docs_in"] - stage["docs_out"] == sum(by_rule.values())
    last = funnel["stages"][-1]
    assert last["docs_out"] == counts["documents"] + counts["validation_documents"]
    assert last["bytes_out"] == counts["bytes"] + counts["validation_bytes"]
    assert funnel["yield"]["docs"] == last["docs_out"] / 48
    (source,) = json.loads((made.path / "sources.json").read_text())
    assert {key: source[key] for key in ("name", "kind", "weight", "licence", "documents", "bytes", "dropped")} == {
        "name": "web",
        "kind": "files",
        "weight": 2.0,
        "licence": "CC0",
        "documents": counts["documents"],
        "bytes": counts["bytes"],
        "dropped": counts["dropped"],
    }
    assert sorted(path.name for path in made.path.iterdir()) == [
        "clusters",
        "clusters.json",
        "data_card.json",
        "data_card.md",
        "documents",
        "dropped",
        "edits",
        "funnel.json",
        "groups.json",
        "histograms.json",
        "ledger.json",
        "manifest.json",
        "redactions",
        "sources.json",
        "sources.jsonl",
        "timings.json",
        "validation",
    ]


def test_redacted_values_are_nowhere_in_the_artifact(mixed, curate, rows):
    made = curate(mixed)
    mail = next(row for table in ("documents", "validation") for row in rows(made, table) if row["id"] == "mail")
    assert mail["text"].endswith("\n\nwrite to <EMAIL> from <IPV4>")
    assert [mail["text"][row["start"] : row["end"]] for row in rows(made, "redactions")] == ["<EMAIL>", "<IPV4>"]
    as_dropped = curate(mixed.model_copy(update={"rules": (), "validation": 0.0}), "other")
    for path in [*made.path.rglob("*"), *as_dropped.path.rglob("*")]:
        if path.suffix == ".parquet":
            assert "jane@mail.org" not in str(pq.read_table(path).to_pylist())


def test_excerpts_of_dropped_documents_are_redacted(write_jsonl, prose, curate, rows):
    path = write_jsonl([{"text": "mail jane@mail.org"}, {"text": prose(1)}])
    made = curate(CurateConfig(sources=(SourceConfig(name="s", path=path),), validation=0))
    assert rows(made, "dropped")[0]["excerpt"] == "mail <EMAIL>"


def test_no_value_is_cut_in_two_by_the_end_of_an_excerpt(write_jsonl, prose, curate, rows):
    path = write_jsonl([{"text": "x" * 190 + " jane.long.name@mail.example.org, 4111 1111 1111 1111"}, {"text": prose(1)}])
    made = curate(CurateConfig(sources=(SourceConfig(name="s", path=path),), validation=0))
    assert rows(made, "dropped")[0]["excerpt"] == "x" * 190 + " <EMAIL>, "[:10]


def test_same_input_gives_the_same_bytes_and_another_seed_another_split(mixed, curate, rows):
    one, two, other = curate(mixed, "one"), curate(mixed, "two"), curate(mixed, "three", seed=1)
    assert one.content_hash == two.content_hash
    assert {row["id"] for row in rows(one, "validation")} != {row["id"] for row in rows(other, "validation")}


def test_lineage_names_every_source_file_by_its_hash(mixed, curate):
    made = curate(mixed)
    before = source_hashes(mixed)
    (line,) = map(json.loads, (made.path / "sources.jsonl").read_text().splitlines())
    path = mixed.sources[0].path
    assert line == {"source": "web", "file": path.name, "sha256": line["sha256"], "bytes": path.stat().st_size}
    path.write_text(path.read_text() + "\n")
    assert source_hashes(mixed) != before
    after = source_hashes(mixed)
    renamed = path.rename(path.with_name("renamed.jsonl"))
    assert source_hashes(CurateConfig(sources=(SourceConfig(name="web", path=renamed),))) != after


def test_near_duplicates_of_held_out_documents_leave_training(write_jsonl, prose, curate, rows):
    records = [{"id": f"d{i}", "text": prose(i)} for i in range(30)]
    records += [{"id": f"near{i}", "text": prose(i) + " with some words at the end"} for i in range(30)]
    config = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), validation=0.1, near_duplicates=False)
    made = curate(config)
    held_out = {row["id"]: row["text"] for row in rows(made, "validation")}
    leaked = {row["id"]: row for row in rows(made, "dropped")}
    assert held_out
    for document_id in held_out:
        number = document_id.removeprefix("near").removeprefix("d")
        twin = f"d{number}" if document_id.startswith("near") else f"near{number}"
        if twin not in held_out:
            assert leaked[twin]["rule"] == "near_duplicate_of_validation"
            assert (leaked[twin]["twin_id"], leaked[twin]["value"], leaked[twin]["threshold"]) == (document_id, 1.0, 0.5)
    index = LeakageIndex.of(list(held_out), list(held_out.values()))
    for row in rows(made, "documents"):
        overlap = index.overlap(row["text"])
        assert overlap is None or overlap.containment < 0.5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from("ab \n\x00@.1:"), max_size=60) | st.none(), min_size=1, max_size=12),
    switches=st.tuples(*[st.booleans()] * 5),
    validation=st.sampled_from([0.0, 0.3, 0.9]),
)
def test_no_document_is_ever_lost(texts, switches, validation, write_jsonl, prose, tmp_path_factory, curate):
    normalise, deduplicate, near_duplicates, redact, with_rules = switches
    records = [{"id": str(number % 5), "text": text} for number, text in enumerate(texts)] + [{"text": prose(i)} for i in range(2)]
    config = CurateConfig(
        sources=(SourceConfig(name="s", path=write_jsonl(records)),),
        normalise=normalise,
        deduplicate=deduplicate,
        near_duplicates=near_duplicates,
        part_bytes=4096,
        redact=redact,
        rules=("gopher-2021",) if with_rules else (),
        validation=validation,
    )
    try:
        counts = curate(config, tmp_path_factory.mktemp("made").name + "/out").manifest.counts
    except DataError as error:  # raised after the stages' own count of what went in and out
        assert "nothing is left to train on" in str(error)
        return
    assert counts["documents"] + counts["validation_documents"] + counts["dropped"] == len(records) == counts["collected"]
    assert counts["documents"] >= 1


def test_stages_that_are_off_are_absent_and_do_nothing(write_jsonl, curate, rows):
    raw = "a\r\n\r\n\r\n\r\nb  a@b.org"
    path = write_jsonl([{"id": "x", "text": raw}, {"id": "y", "text": raw}])
    config = CurateConfig(
        sources=(SourceConfig(name="s", path=path),),
        normalise=False,
        rules=(),
        deduplicate=False,
        near_duplicates=False,
        redact=False,
        validation=0,
    )
    made = curate(config)
    assert [stage["stage"] for stage in made.funnel["stages"]] == ["collect"]
    assert [row["text"] for row in rows(made, "documents")] == [raw, raw]
    assert rows(made, "validation") == rows(made, "redactions") == rows(made, "dropped") == []


def test_sources_keep_their_order_and_the_first_source_its_copy(write_jsonl, prose, curate, rows):
    first = write_jsonl([{"id": "z", "text": prose(1)}, {"id": "same", "text": prose(2)}], "a.jsonl")
    second = write_jsonl([{"id": "a", "text": prose(1)}, {"id": "same", "text": prose(3)}], "b.jsonl")
    sources = (SourceConfig(name="one", path=first), SourceConfig(name="two", path=second))
    made = curate(CurateConfig(sources=sources, validation=0))
    assert [(row["id"], row["source"]) for row in rows(made, "documents")] == [("z", "one"), ("same", "one"), ("two:same", "two")]
    assert [(row["id"], row["twin_id"]) for row in rows(made, "dropped")] == [("a", "z")]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"text": "too short"}] * 3, "rule 'words_min' of stage 'gopher-2021' dropped most (3)"),
        ([{"text": None}], "no usable text: no_text"),
        ([{"text": " "}], "no usable text: empty"),
        ([{"content": "x"}], "no 'text'; did you mean 'content'?"),
        ([], "its files hold no documents"),
    ],
)
def test_nothing_left_is_an_error_that_says_why_and_makes_nothing(records, said, write_jsonl, tmp_path):
    config = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),))
    order = Order("curate", "documents", tmp_path / "out", config, 0)
    with pytest.raises(DataError) as caught:
        make(order, run, replace=False)
    assert said in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_loss_of_most_text_is_said(write_jsonl, prose, curate, capsys):
    path = write_jsonl([{"text": prose(1)}, {"text": "the same and the same and " * 100}])
    made = curate(CurateConfig(sources=(SourceConfig(name="s", path=path),), validation=0))
    said = " ".join(capsys.readouterr().err.split())
    assert "rule 'top_2gram_chars' dropped most (1 document, 2.6 kB)" in said
    assert made.funnel["stages"][3]["bytes_by_rule"] == {"top_2gram_chars": 2599}


def test_work_left_by_a_failure_is_cleared(write_jsonl, prose, curate, tmp_path):
    path = write_jsonl([{"text": "short"}])
    config = CurateConfig(sources=(SourceConfig(name="s", path=path),))
    with pytest.raises(DataError):
        curate(config)
    write_jsonl([{"text": prose(i)} for i in range(3)])
    assert curate(config).manifest.counts["collected"] == 3
    assert not (tmp_path / "out" / "scratch").exists()


class TestExplain:
    def test_kept_document_shows_every_rule(self, mixed, curate, rows):
        made = curate(mixed)
        explanation = explain(made.path, rows(made, "documents")[0]["id"])
        assert explanation.fate == "train"
        assert len(explanation.checks) == 24
        assert all(check.passed for check in explanation.checks)
        assert explanation.checks[-1].rule == "near_duplicate_of_validation"
        assert explain(made.path, rows(made, "validation")[0]["id"]).fate == "validation"

    def test_redactions_and_copies_are_counted(self, mixed, curate):
        made = curate(mixed)
        assert explain(made.path, "mail").redactions == {"email": 1, "ipv4": 1}
        assert explain(made.path, "good-3").copies == ("zcopy",)

    def test_dropped_document_shows_the_rule_it_broke(self, mixed, curate):
        made = curate(mixed)
        explanation = explain(made.path, "short")
        (check,) = explanation.checks
        assert (explanation.fate, check.rule, check.value, check.bound, check.threshold) == (
            "dropped",
            "words_min",
            4,
            "at_least",
            50,
        )
        assert explain(made.path, "zcopy").checks[0].twin_id == "good-3"

    def test_unknown_document_is_answered_with_the_nearest(self, mixed, curate):
        made = curate(mixed)
        with pytest.raises(DataError, match=r"nearest: .*good-3"):
            explain(made.path, "god-3")
        with pytest.raises(DataError, match="nearest: controls"):
            explain(made.path, "CONTROL")


@pytest.mark.parametrize("schema", [DOCUMENT_SCHEMA, DROPPED_SCHEMA, REDACTION_SCHEMA])
def test_a_table_is_readable_even_of_nothing(schema, tmp_path):
    with ParquetTable(tmp_path / "t.parquet", schema):
        pass
    finish._join([tmp_path / "t.parquet"], tmp_path / "joined", schema)
    assert [path.name for path in (tmp_path / "joined").iterdir()] == ["part-00000.parquet"]
    for path in (tmp_path / "t.parquet", tmp_path / "joined"):
        assert pq.read_table(path).to_pylist() == []


def test_tables_of_parts_are_joined_into_files_in_order(tmp_path, monkeypatch):
    files = [tmp_path / f"{number}.parquet" for number in range(12)]
    for number, file in enumerate(files):
        with ParquetTable(file, REDACTION_SCHEMA) as table:
            for row in range(100):
                table.add((str(100 * number + row), "email", 0, 7))
    monkeypatch.setattr(finish, "_FILE_BYTES", 5 * files[0].stat().st_size)
    finish._join(files, tmp_path / "joined", REDACTION_SCHEMA)
    joined = sorted((tmp_path / "joined").iterdir())
    assert len(joined) == 3
    assert [row["id"] for path in joined for row in pq.read_table(path).to_pylist()] == [str(number) for number in range(1200)]
