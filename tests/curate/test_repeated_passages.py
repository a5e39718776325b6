"""A curation that takes passages out which stand in several documents."""

import json
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.core.engines import Workers
from groundup.core.errors import BudgetError
from groundup.curate import run as door
from groundup.curate.config import CurateConfig
from groundup.curate.dedup.config import HashedKind, PassageKind
from groundup.curate.dedup.substrings import BYTES_PER_WORD
from groundup.curate.explain import explain
from groundup.curate.ledger.words import PASSAGES
from groundup.curate.ledger.write import LEDGER
from groundup.curate.passes.forecast import PASSAGES_DISK_RATIO
from groundup.curate.passes.passages import HASHED
from groundup.curate.run import run, source_hashes

KINDS = get_args(PassageKind)
UNITS = {"three_sentences": 3, "lines": 1, "windows": 50, "substrings": 50}


def test_every_kind_has_a_class_words_and_costs():
    assert HASHED.keys() == set(get_args(HashedKind)) == set(KINDS) - {"substrings"}
    assert PASSAGES.keys() == PASSAGES_DISK_RATIO.keys() == UNITS.keys() == set(KINDS)


@pytest.fixture
def config(write_jsonl):
    def build(records: list[dict], passages, **more) -> CurateConfig:
        sources = [{"name": "s", "path": str(write_jsonl(records))}]
        data = {"sources": sources, "rules": [], "validation": 0, "part_bytes": 2048, "redact": False, **more}
        return CurateConfig.parse({**data, "repeated_passages": passages}, "recipe.yaml")

    return build


def sentence(number: int, words: int = 10) -> str:
    return " ".join(f"w{number}x{i}" for i in range(words)) + "."


def document(*numbers: int) -> str:
    """Sentences of ten words, a line each: two lines make no three sentences, five make fifty words."""
    return "\n".join(sentence(number) for number in numbers)


def slow_cut(texts: list[str], kind: str, min_words: int) -> dict[int, list[str] | None]:
    """What is left of each text, as words, None for one that is dropped: units are compared as tuples, one after another."""
    seen: dict[tuple, tuple[int, int]] = {}
    left: dict[int, list[str] | None] = {}
    for number, text in enumerate(texts):
        units = [tuple(line.split()) for line in text.splitlines()]
        if kind in ("windows", "substrings"):
            units = [(word,) for unit in units for word in unit]
        lost: set[int] = set()
        for at in range(len(units) - UNITS[kind] + 1):
            of, first = seen.setdefault(tuple(units[at : at + UNITS[kind]]), (number, at))
            if (of, first) != (number, at) and (of != number or at - first >= UNITS[kind]):
                lost |= set(range(at, at + UNITS[kind]))
        words = [word for at, unit in enumerate(units) for word in unit if at not in lost]
        left[number] = None if lost and len(words) < min_words else words
    return left


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=14), min_size=2, max_size=12),
    min_words=st.sampled_from([1, 25]),
)
def test_what_is_left_is_that_of_a_slow_version_and_no_document_is_lost(kind, drawn, min_words, config, rows, tmp_path_factory):
    texts = [document(100 + number, *numbers) for number, numbers in enumerate(drawn)]
    records = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    chosen = config(records, {"kind": kind, "min_words": min_words}, deduplicate=False, near_duplicates=False)
    out = tmp_path_factory.mktemp("passages") / "out"
    expected = slow_cut(texts, kind, min_words)
    assert any(expected.values())
    make(Order("curate", "documents", out, chosen, 0, sources=source_hashes(chosen)), run, replace=False)
    made = Documents.open(out)
    kept = {int(row["id"]): row["text"].split() for row in rows(made, "documents")}
    dropped = {int(row["id"]): row for row in rows(made, "dropped")}
    assert kept == {number: words for number, words in expected.items() if words is not None}
    assert sorted([*kept, *dropped]) == list(range(len(texts)))
    for row in dropped.values():
        assert (row["stage"], row["rule"], row["threshold"]) == ("repeated_passages", "words_left", min_words)
        assert row["value"] < min_words
    flow = {stage["stage"]: stage for stage in made.funnel["stages"]}["repeated_passages"]
    lost = [len(texts[number].encode()) for number in dropped]
    assert flow["bytes_in"] == sum(len(text.encode()) for text in texts)
    assert flow["bytes_by_rule"].get("words_left", 0) == sum(lost)
    assert flow["bytes_out"] == sum(row["bytes"] for row in rows(made, "documents"))
    edited = {int(row["id"]): row["bytes"] for row in rows(made, "edits")}
    assert edited.keys() == {number for number, words in kept.items() if len(words) < len(texts[number].split())}
    for number, size in edited.items():
        gone = len("".join(texts[number].split())) - len("".join(kept[number]))
        assert gone <= size <= gone + texts[number].count(" ") + texts[number].count("\n")


def test_the_suffix_array_gives_the_documents_of_windows_or_is_refused(config, curate, rows, tmp_path):
    records = [{"id": str(number), "text": document(number, *range(50, 57), 30 + number)} for number in range(9)]
    made = [curate(config(records, kind), name=kind) for kind in ("windows", "substrings")]
    assert rows(made[0], "documents") == rows(made[1], "documents")
    assert sum(row["bytes"] for row in rows(made[0], "documents")) < sum(len(record["text"]) for record in records) / 2
    words = sum(len(record["text"].split()) + 1 for record in records)
    chosen = config(records, "substrings")
    workers = Workers(number=1, memory_bytes=BYTES_PER_WORD * words - 1)
    order = Order("curate", "documents", tmp_path / "small", chosen, 0, sources=source_hashes(chosen), workers=workers)
    with pytest.raises(BudgetError, match=rf"a suffix array of {words:,} words takes about .* \(worker_memory_bytes\)"):
        make(order, run, replace=False)


def test_documents_that_are_dropped_before_own_no_passage(config, curate, rows):
    """Else the only copy of it would go with them: of three alike the last is kept, being the longest, and has its passages."""
    whole = document(*range(16))
    texts = {"copy": whole, "near": whole, "longer": f"{document(16)}\n{whole}", "other": document(20, 3, 4, 21, 22, 23, 24)}
    made = curate(config([{"id": name, "text": text} for name, text in texts.items()], "lines"))
    assert {row["id"]: row["rule"] for row in rows(made, "dropped")} == {"near": "exact_duplicate", "copy": "near_duplicate"}
    kept = {row["id"]: row["text"] for row in rows(made, "documents")}
    assert kept == {"longer": texts["longer"], "other": document(20, 21, 22, 23, 24)}


def test_a_leaking_document_owns_no_passage(config, curate, rows):
    parts = [document(*range(100 * number, 100 * number + 8)) for number in range(40)]
    records = [{"id": f"a{number}", "text": f"{text}\n{document(*range(9000, 9003))}"} for number, text in enumerate(parts)]
    records += [{"id": f"b{number}", "text": f"{text}\n{document(9900 + number)}"} for number, text in enumerate(parts)]
    chosen = config(records, {"kind": "lines", "min_words": 5}, validation=0.3, near_duplicates=False, deduplicate=False)
    made = curate(chosen)
    leaked = {row["id"] for row in rows(made, "dropped") if row["stage"] == "leakage"}
    assert leaked
    kept = "\n".join(row["text"] for table in ("documents", "validation") for row in rows(made, table))
    assert all(kept.count(text) == 1 for text in parts)
    assert kept.count(sentence(9000)) == 1


@pytest.fixture
def cut(config, curate) -> Documents:
    records = [{"id": "first", "text": document(*range(8))}, {"id": "second", "text": document(20, 2, 3, 4, *range(21, 25))}]
    records += [{"id": "third", "text": document(30, *range(1, 7))}, {"id": "short", "text": "few words"}]
    return curate(config(records, "three_sentences"))


def test_what_was_taken_out_is_told(cut, rows):
    gone = len(document(2, 3, 4))
    assert rows(cut, "edits") == [
        {"id": "second", "stage": "repeated_passages", "rule": "three_sentences", "count": 1, "bytes": gone}
    ]
    (edit,) = json.loads((cut.path / LEDGER).read_bytes())["edits"]
    assert (edit["documents"], edit["count"], edit["bytes"]) == (1, 1, gone)
    assert edit["description"] == "taken out: three sentences in a row that stand in a document before"
    (drop,) = json.loads((cut.path / LEDGER).read_bytes())["drops"]
    assert (drop["rule"], drop["documents"], drop["bound"], drop["threshold"]) == ("words_left", 1, "at_least", 50)
    assert [row["id"] for row in rows(cut, "documents")] == ["first", "second", "short"]


def test_explain_tells_it(cut):
    (edit,) = explain(cut.path, "second").edits
    assert (edit.stage, edit.rule, edit.count) == ("repeated_passages", "three_sentences", 1)
    left = [check for check in explain(cut.path, "second").checks if check.stage == "repeated_passages"]
    text = next(document.text for document in cut.read("train") if document.id == "second")
    assert [(check.rule, check.value, check.threshold, check.passed) for check in left] == [
        ("words_left", len(text.split()), 50, True)
    ]
    assert not [check for check in explain(cut.path, "first").checks if check.stage == "repeated_passages"]
    (check,) = explain(cut.path, "third").checks
    assert (check.stage, check.rule, check.value, check.bound, check.threshold) == (
        "repeated_passages",
        "words_left",
        10,
        "at_least",
        50,
    )


def test_places_of_redactions_are_those_in_the_text_that_is_left(config, curate, rows):
    texts = [document(*range(8)), f"{document(2, 3, 4)}\nMail jane@mail.org now. {document(*range(30, 36))}"]
    made = curate(config([{"id": str(i), "text": text} for i, text in enumerate(texts)], "lines", redact=True))
    (found,) = rows(made, "redactions")
    text = rows(made, "documents")[1]["text"]
    assert text == texts[1].replace(document(2, 3, 4), "").strip().replace("jane@mail.org", "<EMAIL>")
    assert text[found["start"] : found["end"]] == "<EMAIL>"


def test_without_the_setting_nothing_is_done(config, curate, monkeypatch):
    for name in ("hash_passages", "find_repeated"):
        monkeypatch.delattr(door, name)
    made = curate(config([{"text": document(1, 2, 3)}, {"text": document(1, 2, 3, 4, 5, 6, 7)}], False))
    assert "repeated_passages" not in {stage["stage"] for stage in made.funnel["stages"]}
