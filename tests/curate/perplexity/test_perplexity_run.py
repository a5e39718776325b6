"""The command, the measure and the buckets on real text, gibberish and bad input."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import commands
from groundup import orders
from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.artifacts.perplexity_model import FACTS_FILE, PerplexityModel
from groundup.core.engines import Workers
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.core.files import hash_file
from groundup.curate.config import CurateConfig
from groundup.curate.explain import explain, render
from groundup.curate.perplexity.buckets import Cuts
from groundup.curate.perplexity.pieces import Pieces, plain
from groundup.curate.perplexity.stored import open_scorer
from groundup.curate.perplexity.training.config import PerplexityModelConfig
from groundup.curate.perplexity.training.sample import PASSAGE_CHARS, Sample, passages
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import Judge
from groundup.curate.run import run, source_hashes
from groundup.report.curation import read_curation
from groundup.report.histograms import bins_of, drawn_histograms

NOUNS = ["boat", "river", "garden", "captain", "letter", "window", "mountain", "farmer", "lamp", "winter", "road", "teacher"]
VERBS = ["sees", "remembers", "paints", "follows", "describes", "forgets", "visits", "mends"]
WAYS = ["slowly", "again", "in the morning", "with great care", "before the storm", "near the old mill", "without a word"]
SMALL = {"pieces": 600, "order": 4}


def sentence(chance: random.Random) -> str:
    return f"The {chance.choice(NOUNS)} {chance.choice(VERBS)} the {chance.choice(NOUNS)} {chance.choice(WAYS)}."


def prose(seed: int, num_sentences: int = 30) -> str:
    chance = random.Random(seed)
    return " ".join(sentence(chance) for _ in range(num_sentences))


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(0).shuffle(words)
    return " ".join(words)


def gibberish(seed: int, num_words: int = 150) -> str:
    chance = random.Random(seed)
    return " ".join(
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(2, 9))) for _ in range(num_words)
    )


def write(path: Path, texts: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"id": f"{path.stem}{at}", "text": text}) + "\n" for at, text in enumerate(texts)))
    return path


def train(folder: Path, inputs: list[Path], name: str = "model", calibrate: tuple[Path, ...] = (), **settings) -> Path:
    config = orders.examples_config(
        PerplexityModelConfig, "train-perplexity", {"reference": inputs, "calibrate": calibrate}, "auto", "text", SMALL | settings
    )
    orders.carry_out(orders.order_perplexity(config, folder / name, 0), force=False)
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("perplexity")
    write(made / "good.jsonl", [prose(seed) for seed in range(300)])
    train(made, [made / "good.jsonl"])
    return made


@pytest.fixture(scope="module")
def model(folder) -> Path:
    return folder / "model"


@pytest.fixture
def copied(model, tmp_path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copy"))


@pytest.fixture
def corpus(tmp_path) -> list[str]:
    texts = [prose(1000 + seed) for seed in range(40)] + [gibberish(seed) for seed in range(10)]
    write(tmp_path / "in/mixed.jsonl", texts)
    return texts


def curated(tmp_path: Path, perplexity: object, workers: int = 1, **settings) -> Documents:
    sources = [{"name": "mixed", "path": str(tmp_path / "in")}]
    data = {"sources": sources, "rules": [], "validation": 0, "near_duplicates": False, "perplexity": perplexity} | settings
    config = CurateConfig.parse(data, "recipe.yaml")
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    make(Order("curate", "documents", out, config, 0, sources=source_hashes(config), workers=Workers("local", workers)), run, False)
    return Documents.open(out)


def test_good_text_comes_before_shuffled_text_and_that_before_gibberish(model):
    scorer = open_scorer(model)
    good = [prose(5000 + seed) for seed in range(20)]
    low, middle, high = (
        scorer.perplexities(texts) for texts in (good, list(map(shuffled, good)), [gibberish(s) for s in range(20)])
    )
    assert (low < middle).all()
    assert low.max() < middle.min() < high.min()
    assert low.max() < scorer.at(100) * 1.2
    alone = [float(scorer.perplexities([text])[0]) for text in good]
    assert alone == low.tolist()


def test_gibberish_is_all_in_the_tail_and_can_be_left_out(model, tmp_path, corpus, rows):
    told = curated(tmp_path, str(model))
    found = {row["text"]: row for row in rows(told, "documents")}
    assert len(found) == len(corpus)
    assert {found[text]["bucket"] for text in corpus[40:]} == {"tail"}
    assert {found[text]["bucket"] for text in corpus[:40]} >= {"head", "middle"}
    values = open_scorer(model).perplexities(corpus).tolist()
    assert [found[text]["perplexity"] for text in corpus] == values
    stage = next(stage for stage in told.funnel["stages"] if stage["stage"] == "perplexity")
    assert stage["docs_in"] == stage["docs_out"] == len(corpus)
    kept = curated(tmp_path, {"models": {"any": str(model)}, "keep": ["head", "middle"], "cuts": [50, 99.9]})
    texts = {row["text"] for row in rows(kept, "documents")}
    assert not texts & set(corpus[40:])
    assert len(texts) > 35
    dropped = rows(kept, "dropped")
    assert {(row["stage"], row["rule"]) for row in dropped} == {("perplexity", "perplexity")}
    assert all(row["value"] >= row["threshold"] for row in dropped)


def test_buckets_are_told_in_ledger_card_report_and_explanation(model, tmp_path, corpus):
    made = curated(tmp_path, {"models": {"any": str(model)}, "keep": ["head", "middle"]})
    (told,) = json.loads((made.path / "ledger.json").read_text())["buckets"]
    numbers = {name: found["documents"] for name, found in told["buckets"].items()}
    assert sum(numbers.values()) == len(corpus)
    assert numbers["tail"] >= 10
    assert told["by_source"] == {"mixed": {name: number for name, number in numbers.items() if number}}
    card = (made.path / "data_card.md").read_text()
    assert (
        f"| any | {told['model']} | {told['head_below']:.1f} | {told['tail_from']:.1f} | head, middle | {numbers['head']} documents"
        in card
    )
    facts = read_curation(made.path)
    assert facts is not None
    (histogram,) = [found for found in facts.histograms if found.stage == "perplexity"]
    assert histogram.marks == (told["head_below"], told["tail_from"])
    assert (histogram.bound, histogram.threshold) == ("below", told["tail_from"])
    assert sum(histogram.counts) == len(corpus)
    bins = bins_of(histogram)
    assert len(bins.marks) == 2
    assert bins.marks[1] == bins.threshold
    assert "stroke-dasharray" in drawn_histograms([histogram])["perplexity"][0].svg
    kept = next(made.read("train"))
    explained = explain(made.path, kept.id)
    assert explained.bucket in ("head", "middle")
    assert explained.perplexity is not None
    check = explain(made.path, "mixed45").checks[0]
    assert (check.stage, check.bound, check.passed) == ("perplexity", "below", False)
    assert render(explained)


def test_any_number_of_workers_gives_the_same_bytes(model, tmp_path, corpus):
    write(tmp_path / "in/more.jsonl", [prose(9000 + seed) for seed in range(30)])
    settings = {"part_bytes": 16 << 10, "validation": 0.1}
    one, three = (curated(tmp_path, str(model), workers, **settings) for workers in (1, 3))
    assert one.content_hash == three.content_hash
    assert len(one.files("train")) > 2


def test_learning_hangs_on_the_text_alone(folder, model, tmp_path):
    texts = [prose(seed) for seed in range(300)]
    other = [write(tmp_path / "b.jsonl", texts[70:]), write(tmp_path / "a.jsonl", [*texts[:70], texts[0]])]
    assert PerplexityModel.open(train(tmp_path, other)).content_hash == PerplexityModel.open(model).content_hash


def test_a_model_can_be_calibrated_with_the_corpus(folder, tmp_path, corpus):
    made = train(tmp_path, [folder / "good.jsonl"], calibrate=(tmp_path / "in/mixed.jsonl",))
    values = open_scorer(made).perplexities(corpus)
    assert open_scorer(made).at(50) == pytest.approx(np.median(values), rel=1e-4)
    assert PerplexityModel.open(made).facts["calibrated_with"] == "corpus"
    cut = curated(tmp_path, str(made))
    (told,) = json.loads((cut.path / "ledger.json").read_text())["buckets"]
    assert [told["buckets"][name]["documents"] for name in ("head", "middle", "tail")] == pytest.approx([17, 16, 17], abs=1)


def test_each_language_has_its_model_and_others_have_no_bucket(model, tmp_path, rows):
    records = [{"id": "e", "text": prose(1), "lang": "en"}]
    write(tmp_path / "in/mixed.jsonl", [records[0]["text"]])
    languages = {"keep": ["en"], "min_score": 0.01}
    made = curated(tmp_path, {"models": {"en": str(model)}}, languages=languages)
    assert rows(made, "documents")[0]["bucket"] in ("head", "middle", "tail")
    made = curated(tmp_path, {"models": {"de": str(model)}}, languages=languages)
    assert rows(made, "documents")[0]["bucket"] is None
    told = json.loads((made.path / "ledger.json").read_text())["buckets"]
    assert [found["language"] for found in told] == ["de", "none"]
    assert told[1]["buckets"]["none"]["documents"] == 1


def test_the_measure_of_rules_of_ones_own(model):
    limit = open_scorer(model).at(99) * 2
    own = {"name": "mine", "perplexity_model": str(model), "rules": [{"measure": "perplexity", "at_most": limit}]}
    config = CurateConfig.parse({"sources": [{"name": "s", "path": "x"}], "rules": [own]}, "recipe.yaml")
    good, bad = Judge(chosen_sets(config)).judge([prose(1), gibberish(1)])
    assert good.broken is None
    assert bad.broken is not None
    assert bad.broken.value == open_scorer(model).perplexities([gibberish(1)])[0]
    assert "perplexity model" in chosen_sets(config)[0].source


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rules": [{"name": "m", "rules": [{"measure": "perplexity", "at_most": 9}]}]}, "need each other"),
        (
            {"rules": [{"name": "m", "perplexity_model": "x", "rules": [{"measure": "num_words", "at_least": 9}]}]},
            "need each other",
        ),
        ({"perplexity": {"keep": ["head"]}}, "no effect without `models`"),
        ({"perplexity": {"models": {"any": "x"}, "cuts": [60, 30]}}, "the lower one first"),
        ({"perplexity": {"models": {"any": "x"}, "keep": ["head", "head"]}}, "name each bucket once"),
    ],
)
def test_settings_without_sense_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        CurateConfig.parse({"sources": [{"name": "s", "path": "x"}]} | settings, "recipe.yaml")


def test_settings_survive_the_way_through_a_file(model):
    before = CurateConfig.parse({"sources": [{"name": "s", "path": "x"}], "perplexity": str(model)}, "recipe.yaml")
    assert before.perplexity.models == {"any": model}
    assert CurateConfig.parse(before.model_dump(mode="json"), "again") == before
    assert not CurateConfig.parse({"sources": [{"name": "s", "path": "x"}], "perplexity": False}, "recipe.yaml").perplexity.is_on
    off = CurateConfig.parse({"sources": [{"name": "s", "path": "x"}]}, "recipe.yaml")
    assert CurateConfig.parse(off.model_dump(mode="json"), "again") == off


def test_cuts_name_bucket_and_threshold():
    cuts = Cuts("any", "", 10.0, 20.0, ("head", "middle"))
    assert [cuts.bucket(value) for value in (9.9, 10, 19.9, 20)] == ["head", "middle", "middle", "tail"]
    assert cuts.threshold("tail") == 20
    assert Cuts("en", "", 10.0, 20.0, ("head",)).threshold("tail") == 10
    middle = Cuts("en", "", 10.0, 20.0, ("middle",))
    assert (middle.threshold("head"), middle.threshold("tail"), middle.rule) == (10, 20, "perplexity_en")
    tail = Cuts("en", "", 10.0, 20.0, ("tail",))
    assert (tail.threshold("head"), tail.threshold("middle")) == (20, 20)
    assert [(rule.bound, rule.threshold) for rule in tail.bounds] == [("at_least", 20)]
    assert [(rule.bound, rule.threshold) for rule in middle.bounds] == [("at_least", 10), ("below", 20)]


@pytest.mark.parametrize("texts", [[], ["\u00a0"], ["a few words only"]])
def test_a_reference_of_little_text_is_refused(tmp_path, texts):
    path = write(tmp_path / "good.jsonl", texts)
    with pytest.raises(DataError, match=r"the reference holds \d+ words|no records|no documents|empty"):
        train(tmp_path, [path])
    assert not (tmp_path / "model/manifest.json").exists()


def test_a_vocabulary_too_small_for_the_letters_is_refused(tmp_path):
    chance = random.Random(0)
    texts = [" ".join("".join(chr(chance.randint(0x4E00, 0x4EFF)) for _ in range(4)) for _ in range(400)) for _ in range(200)]
    with pytest.raises(DataError, match="no pieces of words can be learned"):
        train(tmp_path, [write(tmp_path / "good.jsonl", texts)], pieces=400)


def test_a_damaged_model_is_refused(copied):
    file = copied / "2gram_log_probs.npy"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"damaged: 2gram_log_probs\.npy"):
        open_scorer(copied)
    file.write_bytes(data[:-1])
    with pytest.raises(ArtifactError, match="the manifest says"):
        open_scorer(copied)
    file.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        open_scorer(copied)


def rewritten(folder: Path, name: str, change) -> Path:
    """Change a file of a model, and its hash in the manifest, as another program would have written it."""
    change(folder / name)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] |= {"sha256": hash_file(folder / name), "bytes": (folder / name).stat().st_size}
    manifest["content_hash"] = f"{random.random()}"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_model_of_another_version_is_refused(copied):
    def later(file: Path) -> None:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 2}))

    with pytest.raises(ArtifactError, match="version 2, this groundup reads 1"):
        open_scorer(rewritten(copied, FACTS_FILE, later))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("2gram_keys.npy", lambda file: np.save(file, np.zeros((2, 2)))),
        ("2gram_keys.npy", lambda file: np.save(file, np.array([{"a": 1}], object))),
        ("2gram_keys.npy", lambda file: file.write_bytes(b"no array")),
        ("pieces.model", lambda file: file.write_bytes(b"no pieces")),
        (FACTS_FILE, lambda file: file.write_text('{"version": 1, "order": 4}')),
    ],
)
def test_a_model_that_cannot_be_read_is_refused(copied, name, content):
    with pytest.raises(ArtifactError, match="not a perplexity model that can be read"):
        open_scorer(rewritten(copied, name, content))


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        curated(tmp_path, str(tmp_path / "nothing"))


def test_a_long_text_is_measured_by_its_beginning(model, monkeypatch):
    monkeypatch.setattr("groundup.curate.perplexity.pieces.MAX_CHARS", 500)
    text = prose(1)
    assert open_scorer(model).perplexities([text]).tolist() == open_scorer(model).perplexities([text[:500]]).tolist()


def test_text_is_made_plain(model):
    assert plain("A\tB\u00a0“C’s” 3,14 – Ünï…\n") == 'a b "c\'s" 0,00 - ünï... '.encode()
    pieces = Pieces((model / "pieces.model").read_bytes())
    assert pieces.stream(["the  boat\n", "", "The boat"]).tolist() == [
        *pieces.stream(["the boat"]),
        1,
        *pieces.stream(["the boat"]),
    ]
    unknown = pieces.stream(["\u4e2d\U0001f600 the"])
    assert 0 not in unknown.tolist()
    assert len(unknown) > 7


def test_passages_hold_every_word_once():
    text = prose(1, 200) + "  " + "x" * 5000 + "\n\n" + prose(2, 3)
    found = list(passages(text))
    assert max(map(len, found)) <= PASSAGE_CHARS
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(piece[0] != " " for piece in found)


def test_a_sample_is_bounded_and_hangs_on_the_texts_alone():
    texts = [f"text number {at} " * 10 for at in range(500)]
    samples = []
    for order in (texts, texts[::-1], texts + texts):
        sample = Sample(0, 20_000)
        for text in order:
            sample.add(text)
            assert sample._num_bytes <= 1.25 * 20_000 + 200
        samples.append(sample.texts())
    assert samples[0] == samples[1] == samples[2]
    assert 15_000 < sum(map(len, samples[0])) <= 20_000
    learned, held_out = sample.divided(0.25)
    assert sorted(learned + held_out) == sorted(samples[0])
    assert 0.1 < len(held_out) / len(samples[0]) < 0.4


def groundup(folder: Path, *words: str) -> tuple[int, str, str]:
    done = commands.groundup(*words, cwd=folder)
    return done.returncode, done.stdout, " ".join(done.stderr.split())


def test_the_command(folder, tmp_path):
    good = os.path.relpath(folder / "good.jsonl", tmp_path)
    words = ("curate", "train-perplexity", "--input", good, "--out", "m", "--pieces", "600", "--order", "3")
    code, out, err = groundup(tmp_path, *words)
    assert code == 0, err
    assert "curate.perplexity=m" in out
    assert "a model learns little" in err
    code, out, err = groundup(tmp_path, *words, "--json")
    found = json.loads(out)
    assert len(found["ngrams"]) == found["order"] == 3
    assert found["held_out"]["p5"] <= found["held_out"]["median"] <= found["held_out"]["p95"]
    assert found["held_out"]["p5"] < found["held_out"]["p95"]
    assert (found["documents"], found["unread"]) == (300, 0)
    assert "quantiles" not in found
    assert "already made" in err
    code, _, err = groundup(tmp_path, *words, "--order", "9")
    assert (code, "'order'" in err) == (2, True)
    code, _, err = groundup(tmp_path, "curate", "train-perplexity", "--input", "missing", "--out", "n")
    assert (code, "missing" in err, "Traceback" in err) == (2, True, False)
    write(tmp_path / "in/mixed.jsonl", [prose(1), gibberish(2), prose(3)])
    sources = [{"name": "mixed", "path": "in"}]
    recipe = {"sources": sources, "rules": [], "near_duplicates": False, "validation": 0, "perplexity": "m"}
    (tmp_path / "r.yaml").write_text(json.dumps({"name": "r", "curate": recipe}))
    code, out, err = groundup(tmp_path, "curate", "--recipe", "r.yaml", "--out", "docs", "--workers", "1", "--json")
    assert code == 0, err
    assert "perplexity" in [stage["stage"] for stage in json.loads(out)["stages"]]
