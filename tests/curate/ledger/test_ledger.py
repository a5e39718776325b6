"""The files that tell what a curation did, held to the tables beside them."""

import json
from collections import Counter

import numpy as np
import pytest
import xxhash

from groundup.artifacts.documents import Documents
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.ledger.examples import NUM_EXAMPLES, Examples
from groundup.curate.ledger.shares import EDGES, binned
from groundup.curate.ledger.tallies import add_up, count, summed
from groundup.curate.passes.clusters import NUM_DRAWN, NUM_LARGEST, NUM_MEMBERS
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import measure_all


@pytest.fixture
def corpus(write_jsonl, prose) -> CurateConfig:
    """Two sources: prose, short texts, copies, and clusters of near-duplicates of several sizes."""
    first = [{"id": f"d{i}", "text": prose(i), "language": "en"} for i in range(60)]
    first += [{"id": f"short{i}", "text": f"the number of mails is {i}, jane@mail.org"} for i in range(12)]
    second = [{"id": f"d{i}", "text": prose(i)} for i in range(5)]
    for size in range(14):
        second += [{"id": f"near{size}-{k}", "text": f"{prose(size + 100)} and some more words {k}"} for k in range(size + 2)]
    second += [{"id": "mail", "text": f"{prose(900)} jane@mail.org or joe@mail.org"}]
    sources = (
        SourceConfig(name="one", path=write_jsonl(first, "one.jsonl"), licence="CC0-1.0"),
        SourceConfig(name="two", path=write_jsonl(second, "two.jsonl")),
    )
    return CurateConfig(sources=sources, validation=0.02, part_bytes=16 << 10)


def read(made: Documents, name: str) -> dict:
    return json.loads((made.path / name).read_text())


def test_each_rule_has_its_drops_by_source_and_the_same_examples_for_any_parts(corpus, curate, rows) -> None:
    made = curate(corpus)
    dropped = rows(made, "dropped")
    drops = read(made, "ledger.json")["drops"]
    assert {(d["stage"], d["rule"]): d["documents"] for d in drops} == Counter((row["stage"], row["rule"]) for row in dropped)
    for found in drops:
        of_rule = [row for row in dropped if (row["stage"], row["rule"]) == (found["stage"], found["rule"])]
        assert found["by_source"] == Counter(row["source"] for row in of_rule)
        chosen = sorted(of_rule, key=lambda row: xxhash.xxh3_64_intdigest(row["id"].encode()))[:NUM_EXAMPLES]
        assert found["examples"] == [{key: row[key] for key in found["examples"][0]} for row in chosen]
    short = next(found for found in drops if found["rule"] == "words_min")
    assert (short["bound"], short["threshold"], short["by_source"]) == ("at_least", 50, {"one": 12})
    assert "<EMAIL>" in short["examples"][0]["excerpt"]
    whole = curate(corpus.model_copy(update={"part_bytes": 16 << 20}), "whole")
    for name in ("ledger.json", "histograms.json", "clusters.json", "data_card.json", "data_card.md"):
        assert (whole.path / name).read_bytes() == (made.path / name).read_bytes()


def test_histograms_count_every_document_that_came_to_its_set(corpus, curate, write_jsonl, prose) -> None:
    made = curate(corpus)
    histograms = {(h["stage"], h["rule"]): h for h in read(made, "histograms.json")["histograms"]}
    came = {stage["stage"]: stage["docs_in"] for stage in made.funnel["stages"]}
    sets = chosen_sets(corpus)
    assert [key for key in histograms if key[0].startswith("gopher")] == [(s.name, rule.name) for s in sets for rule in s.rules]
    for (stage, _), found in histograms.items():
        if stage in ("gopher-2021", "gopher-2021-repetition"):
            assert sum(found["counts"]) == came[stage]
    alone = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl([{"text": prose(7)}], "s.jsonl")),), validation=0)
    found = {(h["stage"], h["rule"]): h for h in read(curate(alone, "alone"), "histograms.json")["histograms"]}
    for measured in measure_all(prose(7), chosen_sets(alone)):
        one = found[measured.rule_set, measured.rule.name]
        (place,) = np.flatnonzero(one["counts"])
        assert one["edges"][place] <= measured.value
        assert place + 1 == len(one["edges"]) or measured.value < one["edges"][place + 1]
        assert (one["bound"], one["threshold"]) == (measured.rule.bound, measured.rule.threshold)


def test_similarities_of_candidates_lie_on_both_sides_of_the_threshold(corpus, curate) -> None:
    made = curate(corpus)
    found = next(h for h in read(made, "histograms.json")["histograms"] if h["rule"] == "near_duplicate")
    assert (found["of"], found["threshold"], found["edges"]) == ("candidate pairs", 0.7, list(EDGES))
    pairs = sum(found["counts"][round(100 * 0.7) :])
    assert pairs >= sum(n * (n - 1) // 2 for n in range(2, 16)) - 20


def test_clusters_are_the_components_of_what_was_found(corpus, curate, rows) -> None:
    made = curate(corpus)
    members = rows(made, "clusters")
    sizes = Counter(row["cluster_id"] for row in members)
    assert sorted(sizes.values()) == list(range(2, 16))
    near = {row["id"]: row for row in rows(made, "dropped") if row["rule"] == "near_duplicate"}
    for row in members:
        assert row["cluster_id"].split("-")[0] == row["id"].split("-")[0]
        assert (row["twin_id"] is None) == (row["id"] not in near)
        if row["twin_id"] is not None:
            assert (row["twin_id"], row["similarity"]) == (near[row["id"]]["twin_id"], near[row["id"]]["value"])
    told = read(made, "clusters.json")
    assert (told["clusters"], told["documents"], told["dropped"]) == (14, len(members), len(near))
    assert told["sizes"] == {"2": 1, "3-4": 2, "5-8": 4, "9-16": 7}
    shown = told["shown"]
    assert [found["size"] for found in shown[:NUM_LARGEST]] == [15, 14, 13, 12, 11]
    assert [found["chosen"] for found in shown] == ["largest"] * NUM_LARGEST + ["drawn"] * NUM_DRAWN
    assert len({found["cluster_id"] for found in shown}) == NUM_LARGEST + NUM_DRAWN
    for found in shown:
        documents = found["documents"]
        assert len(documents) == min(found["size"], NUM_MEMBERS)
        assert documents[0]["twin_id"] is None
        goes = [document["similarity"] for document in documents if document["twin_id"]]
        of_cluster = [row["similarity"] for row in members if row["cluster_id"] == found["cluster_id"] and row["twin_id"]]
        assert goes == sorted(of_cluster)[: len(goes)]


def test_what_is_shown_of_clusters_is_redacted(write_jsonl, prose, curate) -> None:
    records = [{"id": str(k), "text": f"mail jane@mail.org {prose(3)} and {k}"} for k in range(4)]
    made = curate(CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), validation=0))
    (found,) = read(made, "clusters.json")["shown"]
    assert all(document["excerpt"].startswith("mail <EMAIL> ") for document in found["documents"])
    assert "jane@mail.org" not in "".join(path.read_text() for path in made.path.glob("*.json"))


def test_edits_of_lines_are_told_of_documents_that_are_kept(write_jsonl, prose, curate, rows) -> None:
    cookie = "we use cookies to improve everything for you."
    sentences = "The time was good and that is so. " * 3
    records = [{"id": f"k{i}", "text": f"{sentences}{prose(i)}.\n{cookie}\nno end here"} for i in range(3)]
    records += [{"id": "gone", "text": f"{cookie}\nOne sentence is left of it."}, {"id": "zcopy", "text": records[0]["text"]}]
    sources = (SourceConfig(name="s", path=write_jsonl(records)),)
    made = curate(CurateConfig(sources=sources, rules=("c4-jmlr",), validation=0))
    edits = rows(made, "edits")
    assert {row["id"] for row in edits} == {"k0", "k1", "k2"}
    by_rule = Counter((row["stage"], row["rule"]) for row in edits)
    told = {(found["stage"], found["rule"]): found for found in read(made, "ledger.json")["edits"]}
    assert told.keys() == by_rule.keys()
    assert len(told) == 2
    for key, found in told.items():
        assert found["documents"] == by_rule[key] + 1  # the copy kept all rules too
        assert found["count"] == 4
    removed = sum(row["bytes"] for row in edits if row["id"] == "k0")
    assert removed == len(cookie) + len("no end here")


def test_the_data_card_adds_up(corpus, curate, rows) -> None:
    made = curate(corpus)
    card, counts = read(made, "data_card.json"), made.manifest.counts
    assert card["training"] == {"documents": counts["documents"], "bytes": counts["bytes"]}
    assert card["collected"]["documents"] == counts["collected"]
    assert sum(stage["documents"] for stage in card["removed"]) == counts["dropped"]
    lost = sum(stage["bytes"] for stage in card["removed"])
    assert card["collected"]["bytes"] - lost == counts["bytes"] + counts["validation_bytes"]
    assert sum(source["share"] for source in card["sources"]) == pytest.approx(1)
    for stage in card["removed"]:
        assert sum(rule["documents"] for rule in stage["by_rule"]) == stage["documents"]
    kinds = Counter(row["kind"] for row in rows(made, "redactions"))
    assert {kind: found["places"] for kind, found in card["redactions"]["found"].items()} == kinds == {"email": 2}
    assert card["redactions"]["found"]["email"]["documents"] == 1
    kept = rows(made, "documents") + rows(made, "validation")
    assert {name: found["documents"] for name, found in card["languages"].items()} == Counter(
        row["language"] or "unknown" for row in kept
    )
    assert [rules["version"] for rules in card["rule_sets"]] == [rules.version for rules in chosen_sets(corpus)]
    text = (made.path / "data_card.md").read_text()
    for words in ("| one | file | CC0-1.0 |", "not stated", "| en | ", "`words_min`", "copies of another one", "| email | 2 | 1 |"):
        assert words in text


def test_the_card_of_a_bare_curation_says_what_was_not_done(write_jsonl, curate) -> None:
    source = SourceConfig(name="s", path=write_jsonl([{"text": "a | b"}]), licence="my | <b>own</b>")
    off = {"rules": (), "deduplicate": False, "near_duplicates": False, "redact": False, "validation": 0}
    text = (curate(CurateConfig(sources=(source,), **off)).path / "data_card.md").read_text()
    for words in (
        "Copies were not looked for",
        "Nearly equal documents were not",
        "Nothing was looked for",
        "my \\| &lt;b>own&lt;/b>",
    ):
        assert words in text
    assert "| none | | 0 | | 0 B |" in text


def test_examples_do_not_hang_on_the_order_or_on_how_they_are_divided() -> None:
    drops = [Drop(str(i), "s", "stage", "rule", i, 1) for i in range(50)]
    one, first, second = Examples(), Examples(), Examples()
    for drop in drops:
        one.add(drop, "")
    for drop in reversed(drops):
        (first if int(drop.id) % 3 else second).add(drop, "")
    first.merge(second.to_tally())
    assert first.to_tally() == one.to_tally()
    assert len(one.of("stage", "rule")) == NUM_EXAMPLES


def test_tallies_are_added_up() -> None:
    total = {"a": 1, "b": {"c": [1, 2]}}
    add_up(total, {"a": 2, "b": {"c": [3, 4], "d": 5}})
    count(total, "b", "e", one=1, two=2)
    assert total == {"a": 3, "b": {"c": [4, 6], "d": 5, "e": {"one": 1, "two": 2}}}
    assert summed([total, total])["b"]["c"] == [8, 12]


def test_shares_fall_into_their_hundredth() -> None:
    counts = binned([0, 0.004, 0.7, 0.999, 1.0, 1.0])
    assert [(place, n) for place, n in enumerate(counts) if n] == [(0, 2), (70, 1), (99, 1), (100, 2)]
