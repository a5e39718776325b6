"""From examples to a classifier, and from there to a curation that asks it; bad examples and damaged files are told."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from curate.classifier.slow_classifier import score
from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.artifacts.text_classifier import TextClassifier
from groundup.core.engines import Workers
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.core.files import hash_file
from groundup.curate.classifier import sample as sample_module
from groundup.curate.classifier.config import ClassifierConfig, FeaturesConfig
from groundup.curate.classifier.run import run, source_hashes
from groundup.curate.classifier.sample import read_sample
from groundup.curate.classifier.stored import open_classifier
from groundup.curate.config import CurateConfig
from groundup.curate.explain import explain
from groundup.curate.run import run as curate_run
from groundup.curate.run import source_hashes as curate_sources

COMMON = ("the", "of", "and", "in", "to", "is", "was", "for", "with", "that", "on", "as", "by", "from", "this", "which")
OWN = {
    "good": ("patient", "dose", "renal", "chronic", "symptom", "therapy", "tablet", "clinic"),
    "bad": ("casino", "bonus", "jackpot", "click", "winner"),
}


def text_of(side: str, number: int, num_words: int = 60) -> str:
    """Everyday words with one in six of the side's own."""
    chosen = random.Random(f"{side} {number}")
    return " ".join(chosen.choice(OWN[side]) if chosen.random() < 1 / 6 else chosen.choice(COMMON) for _ in range(num_words))


@pytest.fixture
def write(tmp_path):
    def write_side(name: str, texts: list, parts: int = 1) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for part in range(parts):
            rows = "".join(json.dumps({"text": text}) + "\n" for text in texts[part::parts])
            (folder / f"{part}.jsonl").write_text(rows)
        return folder

    return write_side


@pytest.fixture
def examples(write) -> dict[str, Path]:
    return {side: write(side, [text_of(side, number) for number in range(200)]) for side in OWN}


def config_of(good: Path, bad: Path, **settings) -> ClassifierConfig:
    sides = {side: [{"name": "s", "path": str(path)}] for side, path in (("good", good), ("bad", bad))}
    return ClassifierConfig.parse({"features": {"bucket_bits": 14}, **sides, **settings}, "test")


def train(config: ClassifierConfig, out: Path, seed: int = 0) -> TextClassifier:
    make(Order("curate.classifier", TextClassifier.kind, out, config, seed, sources=source_hashes(config)), run, replace=False)
    return TextClassifier.open(out)


def test_planted_kinds_are_told_apart_and_named(examples, tmp_path):
    made = train(config_of(**examples, keep_good=0.9), tmp_path / "c")
    facts = made.facts
    assert facts["examples"]["good"] == {
        **{"documents": 200, "taken": 200, "repeats": 0, "unread": 0, "passages": 200},
        **{"train": 140, "calibrate": 30, "test": 30},
    }
    quality = facts["quality"]
    assert (quality["auc"], quality["good_documents"], quality["bad_documents"]) == (1, 30, 30)
    assert quality["suggested"]["threshold"] == facts["threshold"]
    assert quality["even"]["accuracy"] == 1
    assert quality["brier"] < 0.01
    for side, words in OWN.items():
        assert {one["feature"] for one in facts["telling"][side][: len(words)]} == set(words)
        first = facts["telling"][side][0]
        assert first[f"in_{side}"] > 0.5
        other = "bad" if side == "good" else "good"
        assert first[f"in_{other}"] == 0
    classifier = open_classifier(made.path)
    new = [text_of(side, number) for number in range(1000, 1050) for side in OWN]
    found = classifier.scores(new)
    assert found[::2].min() > 0.5 > found[1::2].max()
    assert found[:4] == pytest.approx([score(text, classifier) for text in new[:4]], abs=2e-9)
    halves = classifier.scores([f"{text_of('good', 7000, 2560)} {text_of('bad', 7000, 2560)}"])
    assert halves[0] == pytest.approx(0.5, abs=0.05)


def hinting(side: str, chosen: random.Random) -> str:
    """Each of 12 words stands in two of three good texts and one of three bad ones, or the other way round."""
    likely = 2 / 3 if side == "good" else 1 / 3
    words = [f"hint{at}" for at in range(12) if (chosen.random() < likely) == (at % 2 == 0)]
    return " ".join(["the", *words, f"only{chosen.randrange(10**9)}"])


def test_scores_are_calibrated(write, tmp_path):
    """Where words only hint, of new texts scored about p a part of about p is good; the score is near what Bayes' rule gives."""
    chosen = random.Random(0)
    sides = {side: write(side, [hinting(side, chosen) for _ in range(900)]) for side in OWN}
    shape = {"word_ngrams": 1, "bucket_bits": 14}
    classifier = open_classifier(train(config_of(**sides, features=shape), tmp_path / "c").path)
    new = {side: [hinting(side, chosen) for _ in range(1000)] for side in OWN}
    scored = np.array([(value, side == "good") for side, texts in new.items() for value in classifier.scores(texts)])
    for low in np.arange(0, 1, 0.2):
        inside = scored[(scored[:, 0] >= low) & (scored[:, 0] < low + 0.2)]
        assert len(inside) > 100
        assert abs(inside.mean(axis=0) @ [1, -1]) < 0.08
    signs = [
        sum(1 if (f"hint{at}" in text) == (at % 2 == 0) else -1 for at in range(12)) for texts in new.values() for text in texts
    ]
    exact = 1 / (1 + 2.0 ** -np.array(signs))
    assert np.abs(scored[:, 0] - exact).mean() < 0.1


def test_order_and_files_of_the_examples_change_nothing(write, tmp_path):
    texts = {side: [text_of(side, number, 30) for number in range(90)] for side in OWN}
    first = train(config_of(write("g1", texts["good"]), write("b1", texts["bad"])), tmp_path / "one")
    shuffled = {side: random.Random(3).sample(found, len(found)) for side, found in texts.items()}
    shuffled["good"].append(texts["good"][5].upper() + " !")
    second = train(config_of(write("g2", shuffled["good"], 3), write("b2", shuffled["bad"], 2)), tmp_path / "two")
    assert hash_file(first.weights_file) == hash_file(second.weights_file)
    assert second.facts["examples"]["good"]["repeats"] == 1
    facts = [{**made.facts, "examples": None} for made in (first, second)]
    assert facts[0] == facts[1]
    other = train(config_of(tmp_path / "g1", tmp_path / "b1", calibration="none"), tmp_path / "three", seed=1)
    assert hash_file(other.weights_file) != hash_file(first.weights_file)
    assert other.facts["calibration"] == {"slope": 1, "intercept": 0}


def test_a_large_side_is_sampled_in_bounded_memory(write, monkeypatch):
    """The same documents whatever the order, as many passages as asked; long ones give some, evenly spread."""
    texts = [text_of("good", number, 20) for number in range(1500)] + [text_of("good", 5000 + n, 8 * 300) for n in range(2)]
    monkeypatch.setattr(sample_module, "NUM_WITNESSES", 100)
    shape = FeaturesConfig(passage_words=8, bucket_bits=14)
    found = []
    for name, given in (("a", texts), ("b", texts[::-1])):
        source = CurateConfig.parse({"sources": [{"name": "s", "path": str(write(name, given))}]}, "test").sources
        found.append(read_sample(source, shape, 1000, 0))
    keys = [[example.key for example in sample.examples] for sample in found]
    assert keys[0] == keys[1]
    for sample in found:
        assert sample.documents == 1502
        assert 700 < sum(len(example.passages) for example in sample.examples) <= 1000
        assert max(len(example.passages) for example in sample.examples) <= sample_module.MAX_PASSAGES_OF_ONE
        assert sum(bool(example.text) for example in sample.examples) == 100


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (["good text"] * 50, None, r"1 good examples that differ \(49 more repeat them\); at least 20"),
        ([], None, "no good example could be read|0 good examples"),
        ([None, 3] * 30, None, "no good example could be read: "),
        (["...", "--"] * 30, None, "0 good examples"),
        (None, "same", "200 more are among the examples of both sides"),
    ],
)
def test_examples_that_say_nothing_are_refused(examples, write, tmp_path, good, bad, says):
    sides = dict(examples)
    if good is not None:
        sides["good"] = write("other", good)
    if bad is not None:
        sides["bad"] = sides["good"]
    with pytest.raises(DataError, match=says):
        train(config_of(**sides), tmp_path / "c")
    assert not (tmp_path / "c" / "manifest.json").exists()


def test_texts_of_both_sides_are_left_out_and_told(examples, write, tmp_path, capsys):
    mixed = write("mixed", [text_of("bad", number) for number in range(100)] + [text_of("good", number) for number in range(30)])
    made = train(config_of(examples["good"], mixed), tmp_path / "c")
    assert made.facts["examples"]["in_both"] == 30
    assert (made.facts["examples"]["good"]["taken"], made.facts["examples"]["bad"]["taken"]) == (170, 100)
    assert "30 texts are examples of both sides" in capsys.readouterr().err


def test_sides_that_do_not_differ_are_told(write, tmp_path, capsys):
    """Both sides draw from the same words: what is learned is chance, and the figures of held-out documents show it."""
    sides = [write(name, [text_of("good", number + at * 5000) for number in range(200)]) for at, name in enumerate("ab")]
    quality = train(config_of(*sides), tmp_path / "c").facts["quality"]
    assert 0.3 < quality["auc"] < 0.7
    assert "hardly told apart" in capsys.readouterr().err


def test_files_that_are_damaged_or_of_another_version_are_refused(examples, tmp_path):
    out = train(config_of(**examples), tmp_path / "c").path
    weights = (out / "weights.safetensors").read_bytes()
    (out / "weights.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"damaged: weights\.safetensors"):
        open_classifier(out)
    (out / "weights.safetensors").write_bytes(weights[:-1])
    with pytest.raises(ArtifactError, match="the manifest says"):
        open_classifier(out)
    (out / "weights.safetensors").write_bytes(weights)
    facts = (out / "classifier.json").read_text()
    (out / "classifier.json").write_text(facts.replace('"version": 1', '"version": 2'))
    with pytest.raises(ArtifactError, match="classifier version 2, this groundup reads 1"):
        open_classifier(out)
    (out / "classifier.json").unlink()
    with pytest.raises(ArtifactError, match="missing"):
        open_classifier(out)
    with pytest.raises(ArtifactError, match="has no manifest"):
        open_classifier(examples["good"])


@pytest.mark.parametrize("change", ["smaller", "no weights", "no bias"])
def test_files_that_do_not_fit_each_other_are_refused(examples, tmp_path, change):
    """Also where someone wrote a manifest to them."""
    config = config_of(**examples)

    def spoiled(settings, job):
        outcome = run(settings, job)
        file = job.out / "weights.safetensors"
        if change == "no bias":
            facts = json.loads((job.out / "classifier.json").read_text())
            (job.out / "classifier.json").write_text(json.dumps({key: value for key, value in facts.items() if key != "bias"}))
        else:
            save_file({"w" if change == "no weights" else "weights": load_file(file)["weights"][:100]}, file)
        return outcome

    make(Order("curate.classifier", TextClassifier.kind, tmp_path / "c", config, 0), spoiled, replace=False)
    with pytest.raises(ArtifactError, match=r"expected|not a classifier that can be read"):
        open_classifier(tmp_path / "c")


def curation(path: Path, classifier: Path, **settings) -> CurateConfig:
    own = {"name": "medical", "classifier": str(classifier), "rules": [{"measure": "classifier_score", "at_least": 0.5}]}
    given = {"rules": [own], "validation": 0, "near_duplicates": False, "redact": False, **settings}
    return CurateConfig.parse({"sources": [{"name": "mixed", "path": str(path)}], **given}, "recipe.yaml")


def test_a_curation_asks_the_classifier_and_tells_of_it(examples, write, tmp_path):
    """Small parts or large: the same rows; every drop with its score, in funnel, ledger and explanation."""
    made = train(config_of(**examples), tmp_path / "c")
    texts = [text_of(side, number) for number in range(2000, 2060) for side in OWN]
    path = write("mixed", texts)
    folders = {}
    for name, part_bytes in (("large", 1 << 24), ("small", 1 << 12)):
        config = curation(path, made.path, part_bytes=part_bytes)
        order = Order("curate", "documents", tmp_path / name, config, 0, sources=curate_sources(config), workers=Workers(number=1))
        make(order, curate_run, replace=False)
        folders[name] = Documents.open(tmp_path / name)
    tables = [
        {table: pq.read_table(documents.path / table).to_pylist() for table in ("documents", "dropped")}
        for documents in folders.values()
    ]
    assert tables[0] == tables[1]
    classifier = open_classifier(made.path)
    scores = dict(zip((f"mixed:0.jsonl:{at + 1}" for at in range(len(texts))), classifier.scores(texts).tolist(), strict=True))
    dropped = {row["id"]: row for row in tables[0]["dropped"]}
    assert set(dropped) == {name for name, value in scores.items() if value < 0.5}
    assert len(dropped) == 60
    for name, row in dropped.items():
        assert (row["stage"], row["rule"], row["value"], row["threshold"]) == ("medical", "classifier_score_min", scores[name], 0.5)
    out = folders["small"].path
    flow = {stage["stage"]: stage for stage in json.loads((out / "funnel.json").read_text())["stages"]}
    assert flow["medical"]["by_rule"] == {"classifier_score_min": 60}
    (histogram,) = json.loads((out / "histograms.json").read_text())["histograms"]
    assert (sum(histogram["counts"]), histogram["threshold"]) == (120, 0.5)
    (drops,) = json.loads((out / "ledger.json").read_text())["drops"]
    assert "like the good examples" in drops["description"]
    assert f"with classifier {made.content_hash[:12]}" in (out / "data_card.json").read_text()
    kept = next(name for name in scores if name not in dropped)
    (check,) = explain(out, kept).checks
    assert (check.value, check.bound, check.threshold, check.passed) == (scores[kept], "at_least", 0.5, True)


def test_another_classifier_is_another_order(examples, write, tmp_path):
    config = curation(write("mixed", ["text"]), tmp_path / "c")
    with pytest.raises(ArtifactError, match="does not exist; run the command that makes it"):
        curate_sources(config)
    train(config_of(**examples), tmp_path / "c")
    before = curate_sources(config)
    assert before["classifiers/medical"] == TextClassifier.open(tmp_path / "c").content_hash
    order = Order("curate.classifier", TextClassifier.kind, tmp_path / "c", config_of(**examples, penalty=1e-3), 0)
    make(order, run, replace=True)
    after = curate_sources(config)
    assert before["mixed"] == after["mixed"]
    assert before["classifiers/medical"] != after["classifiers/medical"]


def test_rules_and_classifier_need_each_other(tmp_path):
    path = tmp_path / "x"
    for own in (
        {"name": "m", "rules": [{"measure": "classifier_score", "at_least": 0.5}]},
        {"name": "m", "classifier": "c", "rules": [{"measure": "num_words", "at_least": 5}]},
    ):
        with pytest.raises(ConfigError, match="a rule on classifier_score and a classifier need each other"):
            curation(path, path, rules=[own])


def test_examples_of_every_form(write, tmp_path):
    """Compressed, and what curate made: the training documents alone."""
    texts = {side: [text_of(side, number) for number in range(60)] for side in OWN}
    packed = tmp_path / "good.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in texts["good"]).encode()))
    made = train(config_of(packed, write("bad", texts["bad"])), tmp_path / "c")
    assert made.facts["examples"]["good"]["documents"] == 60
