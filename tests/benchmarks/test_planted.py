"""The corpus with planted truth is what its truth says, and its score finds what is wrong with a result."""

import gzip
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/curate"))
import corpus
import identities
import low_quality
import prose
import score
import shingles

import groundup
from groundup.curate.config import CurateConfig
from groundup.curate.rules.judge import Judge, measure_all
from groundup.curate.rules.published import RULE_SETS

MEGABYTES = 1.2
STOP_WORDS = ("the", "of", "and", "to", "with", "that")


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory) -> Path:
    """Prose of random words: enough for part of the corpus, so that the rest is recombined."""
    rng = np.random.default_rng(3)
    vocabulary = ["".join(rng.choice(list("abcdefghiklmnoprstu"), rng.integers(3, 9))) for _ in range(3_000)]
    folder = tmp_path_factory.mktemp("text")
    paragraphs = []
    for _ in range(900):
        words = [STOP_WORDS[rng.integers(6)] if place % 4 == 0 else vocabulary[rng.integers(3_000)] for place in range(70)]
        paragraphs.append(" ".join(words).capitalize() + ".")
    (folder / "book.md").write_text("# A heading\n\n" + "\n\n".join(paragraphs))
    return folder


@pytest.fixture(scope="module")
def planted(text_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("planted") / "out"
    corpus.make_corpus(out, [text_folder], MEGABYTES, seed=1)
    return out


@pytest.fixture(scope="module")
def truth(planted) -> dict[str, dict]:
    return {row["id"]: row for row in map(json.loads, (planted / "truth.jsonl").read_text().splitlines())}


@pytest.fixture(scope="module")
def texts(planted) -> dict[str, str]:
    found = {}
    for file in (planted / "corpus").iterdir():
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            found.update({row["id"]: row["text"] for row in map(json.loads, lines)})
    return found


@pytest.fixture(scope="module")
def curated(planted, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("curated") / "out"
    config = CurateConfig.parse({"sources": [{"name": "planted", "path": str(planted / "corpus")}]}, "test")
    groundup.curate(config, out)
    return out


def test_same_arguments_same_bytes(text_folder, planted, tmp_path):
    corpus.make_corpus(tmp_path / "again", [text_folder], MEGABYTES, seed=1)
    for file in sorted(path for path in planted.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / file.relative_to(planted)).read_bytes() == file.read_bytes(), file.name


def test_truth_tells_of_every_document(planted, truth, texts):
    about = json.loads((planted / "about.json").read_text())
    assert truth.keys() == texts.keys()
    assert about["documents"] == len(texts)
    assert about["bytes"] == sum(len(text.encode()) for text in texts.values()) == sum(row["bytes"] for row in truth.values())
    assert {row["kind"] for row in truth.values()} == {"clean", *corpus.SHARES}
    assert about["clean_local"] > 0
    assert about["clean_recombined"] > 0


def test_recorded_similarity_is_exact(truth, texts):
    """Against runs of words counted as strings, one by one."""

    def runs(text):
        words = text.lower().split()
        return {" ".join(words[at : at + 5]) for at in range(len(words) - 4)}

    found = []
    for row in truth.values():
        if row["twin"]:
            one, other = runs(texts[row["id"]]), runs(texts[row["twin"]])
            assert row["jaccard"] == pytest.approx(len(one & other) / len(one | other)), row
            if row["containment"] is not None:
                assert row["containment"] == pytest.approx(len(one & other) / min(len(one), len(other))), row
            found += [row["jaccard"]] * (row["kind"] == "near_duplicate")
    assert min(found) < 0.4
    assert max(found) > 0.85
    assert all(0.2 < similarity < 1 for similarity in found)


def test_nothing_is_near_by_accident(truth, texts):
    """All pairs that share a run of words: only planted ones share many."""
    family = {document_id: row["twin"] or row["item"] or document_id for document_id, row in truth.items()}
    sets = {document_id: shingles.shingles(text) for document_id, text in texts.items()}
    owners = defaultdict(list)
    for document_id, runs in sets.items():
        for run in runs:
            owners[run].append(document_id)
    pairs = {pair for ids in owners.values() for pair in itertools.combinations(ids[:50], 2) if family[pair[0]] != family[pair[1]]}
    nearest = max((shingles.jaccard(sets[one], sets[other]) for one, other in pairs), default=0.0)
    assert nearest < 0.25


@pytest.mark.parametrize("how", low_quality.LOW_QUALITY)
def test_low_quality_breaks_the_rules_it_names(how, text_folder):
    make, breaks = low_quality.LOW_QUALITY[how]
    words = prose.Prose([text_folder], 5, 1_000_000)
    rng = np.random.default_rng(5)
    for _, name in itertools.product(range(20), breaks):
        text = make(words, rng)
        set_name, _, rule_name = name.partition("/")
        if rule_name:
            (found,) = [measured for measured in measure_all(text, [RULE_SETS[set_name]]) if measured.rule.name == rule_name]
            assert not found.passes, text
        elif set_name in RULE_SETS:
            assert Judge([RULE_SETS[set_name]]).judge([text])[0].broken is not None, text


def test_recombined_prose_keeps_the_rules_of_gopher(text_folder):
    words = prose.Prose([text_folder], 5, 1_000_000)
    judge = Judge([RULE_SETS["gopher-2021"], RULE_SETS["gopher-2021-repetition"]])
    assert [verdict.broken for verdict in judge.judge([words.fresh(250) for _ in range(50)])] == [None] * 50


def test_cards_and_ibans_carry_right_check_digits():
    """By the definitions: doubled digits from the right sum to a multiple of 10; the number mod 97 is 1."""

    def card_is_right(card):
        digits = [int(sign) for sign in card if sign.isdigit()][::-1]
        return sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) in range(0, 200, 10)

    def iban_is_right(iban):
        moved = iban.replace(" ", "")[4:] + iban[:4]
        return int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1

    rng = np.random.default_rng(0)
    for _ in range(200):
        assert card_is_right(identities.IDENTITIES["card"][0](rng))
        assert not card_is_right(identities.DECOYS["card"][0](rng))
        assert iban_is_right(identities.IDENTITIES["iban"][0](rng))
        assert not iban_is_right(identities.DECOYS["iban"][0](rng))
    assert card_is_right("4111 1111 1111 1111")
    assert iban_is_right("DE89 3704 0044 0532 0130 00")


def test_planted_values_stand_in_the_text(truth, texts):
    values = [(row["id"], value["value"]) for row in truth.values() for value in row["values"]]
    assert len(values) > 20
    assert all(value in texts[document_id] for document_id, value in values)


def test_score_of_a_curated_folder(planted, curated, truth):
    tables = score.score(planted, curated)
    flow = tables["where documents went"]
    assert flow["all"]["documents"] == len(truth)
    assert "lost" not in flow["all"]
    assert tables["near-duplicates found"]["exact_copy"]["recall"] == 1
    assert tables["personal data"]["email"]["share"] == 1
    assert tables["low quality dropped"]["gibberish"]["share"] == 1
    assert tables["held-out text in training"]["training documents with a share of 0.5 or more"]["documents"] == 0


def test_score_finds_lost_documents_wrong_twins_and_leaks(planted, curated, truth, texts, tmp_path):
    """One training document taken away, one dropped for a twin that is none, one put beside its held-out original."""
    for folder in ("documents", "validation", "dropped"):
        (tmp_path / folder).mkdir()
    for name in ("funnel.json", "manifest.json"):
        (tmp_path / name).write_text((curated / name).read_text())
    documents = pq.read_table(curated / "documents").to_pylist()
    validation = pq.read_table(curated / "validation").to_pylist()
    dropped = pq.read_table(curated / "dropped")
    clean = [row["id"] for row in documents if truth[row["id"]]["kind"] == "clean" and truth[row["id"]]["origin"]]
    lost, wrong, twin, leaked = clean[:4]
    rows = [row for row in documents if row["id"] not in (lost, wrong)]
    for row in rows:
        if row["id"] == leaked:
            row["text"] = validation[0]["text"]
    wrong_drop = {"id": wrong, "source": "planted", "stage": "deduplicate", "rule": "near_duplicate", "value": 0.9}
    drops = [*dropped.to_pylist(), {**wrong_drop, "threshold": 0.8, "twin_id": twin, "excerpt": ""}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "documents/part.parquet")
    pq.write_table(pa.Table.from_pylist(validation), tmp_path / "validation/part.parquet")
    pq.write_table(pa.Table.from_pylist(drops, dropped.schema), tmp_path / "dropped/part.parquet")
    before, after = score.score(planted, curated), score.score(planted, tmp_path)
    assert after["where documents went"]["all"]["lost"] == 1
    below = "dropped for a near twin, by similarity", f"below {score.LOWEST_CONFIRMED}", "documents"
    assert after[below[0]][below[1]][below[2]] == before[below[0]][below[1]][below[2]] + 1
    shared = after["held-out text in training"]["training documents with a share of 0.5 or more"]
    assert shared == {"documents": 1, "largest_share": 1.0}
