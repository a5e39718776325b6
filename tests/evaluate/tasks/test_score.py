"""Checkpoints are scored on tasks: the same result every time, equal means for both sides, nothing trained on what is scored."""

import json
from pathlib import Path

import pytest

from builders import build_documents, build_tokenizer, build_training_run, word_salad
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import ArtifactError, ConfigError, DivergedError
from groundup.evaluate.tasks import fine_tune, score
from groundup.evaluate.tasks.config import TaskConfig, TuningConfig
from groundup.evaluate.tasks.intervals import interval
from groundup.evaluate.tasks.rows import Row

SHAPES = {
    "encoder": ("sentences", "words"),
    "decoder": ("sentences", "answers"),
    "encoder_decoder": ("answers",),
}
TUNING = {"epochs": 3, "learning_rates": [0.01, 0.03], "seeds": [0, 1], "batch": 16}
KINDS = {"sentences": "sentence_classification", "words": "token_classification", "answers": "text_to_text"}


def rows(kind: str) -> list[dict]:
    """Return examples of a task that is easily learned: which of two words is in the text."""
    made = []
    for i in range(120):
        words = [*word_salad(i % 5, i).split(), ("shape", "error")[i % 2], f"{i}"]
        answer = ("good", "bad")[i % 2]
        if kind == "words":
            made.append({"words": words, "labels": ["X" if word in ("shape", "error") else "O" for word in words]})
        else:
            text, wanted = ("text", "label") if kind == "sentences" else ("source", "target")
            made.append({text: " ".join(words), wanted: answer})
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    documents = build_documents(folder / "c", [Document(f"a/{i}", word_salad(300, i), "a") for i in range(6)], [])
    tokenizer = build_tokenizer(folder / "t", documents)
    for shape in SHAPES:
        layers = {"num_encoder_layers": 1} if shape == "encoder_decoder" else {}
        build_training_run(folder / shape, tokenizer, shape=shape, init_std=0.1, max_seq_len=48, **layers)
    for name, kind in KINDS.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows(name))))
        (folder / f"{name}.yaml").write_text(
            json.dumps({"kind": kind, "train": f"{name}.jsonl", "test_share": 0.3, "tuning": TUNING})
        )
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_learns_its_tasks(runs: Path, shape: str) -> None:
    files = [runs / f"{name}.yaml" for name in SHAPES[shape]]
    found = api.evaluate_tasks(runs / shape, files, scratch=True, device="cpu")
    assert list(found) == list(SHAPES[shape])
    for result in found.values():
        assert result["metric"] == "accuracy"
        assert len(result["per_seed"]) == len(result["scratch"]["per_seed"]) == 2
        assert result["mean"] == pytest.approx(sum(result["per_seed"]) / 2, abs=1e-6)
        gains = [a - b for a, b in zip(result["per_seed"], result["scratch"]["per_seed"], strict=True)]
        assert result["gain"]["per_seed"] == pytest.approx(gains, abs=1e-6)
        assert result["gain"]["interval_95"] == pytest.approx(interval(gains), abs=1e-5)
        assert result["learning_rate"] in TUNING["learning_rates"]
        assert result["train"] + result["validation"] + result["test"] == 120
    name = SHAPES[shape][0]
    by_chance = 0.0 if name == "answers" else found[name]["baseline_majority"]
    assert found[name]["mean"] > by_chance
    assert found[name] == api.evaluate_tasks(runs / shape, files[:1], scratch=True, device="cpu")[name]


def test_both_sides_get_the_same_rows_in_the_same_order(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(score, "fine_tune", lambda kind, model, rows, peak, seed, advance: seen.append((tuple(rows), peak, seed)))
    api.evaluate_tasks(runs / "encoder", [runs / "sentences.yaml"], scratch=True, device="cpu")
    half = len(seen) // 2
    assert [(peak, seed) for _, peak, seed in seen[:2]] == [(0.01, 0), (0.03, 0)]
    assert len(seen) == 6
    assert [rows for rows, _, _ in seen[:half]] == [rows for rows, _, _ in seen[half:]]
    texts = {row for rows, _, _ in seen for row in rows}
    (ready,) = score.prepare_all(api.find_checkpoint(runs / "encoder"), [api.load_task(runs / "sentences.yaml")])
    assert texts.isdisjoint({row.read for row in ready.test})
    assert set(ready.train) == texts


def test_every_row_is_seen_once_an_epoch_with_others_of_its_length() -> None:
    made = [Row(tuple(range(1 + i % 40)), (0,)) for i in range(203)]
    tuning = TuningConfig(epochs=2, batch=8)
    order = list(fine_tune.batches(made, tuning, seed=4))
    assert len(order) == fine_tune.num_steps(len(made), tuning)
    assert sorted(i for batch in order for i in batch) == sorted([*range(203)] * 2)
    assert order == list(fine_tune.batches(made, tuning, seed=4))
    assert order != list(fine_tune.batches(made, tuning, seed=5))
    padding = sum(max(len(made[i].read) for i in batch) - len(made[j].read) for batch in order for j in batch)
    assert padding < 0.2 * sum(len(made[i].read) for batch in order for i in batch)


def test_what_diverges_is_passed_over_unless_all_does(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.load_task(runs / "sentences.yaml")
    whole = score.fine_tune

    def diverge(kind, model, rows, peak, seed, advance) -> None:
        if peak > limit:
            raise DivergedError("a loss of nan")
        whole(kind, model, rows, peak, seed, advance)

    monkeypatch.setattr(score, "fine_tune", diverge)
    limit = 0.02
    assert api.evaluate_tasks(runs / "encoder", [task], device="cpu")["sentences"]["learning_rate"] == 0.01
    limit = 0.0
    with pytest.raises(DivergedError, match="at every one of"):
        api.evaluate_tasks(runs / "encoder", [task], device="cpu")


def test_all_is_checked_before_anything_is_trained(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "fine_tune", lambda *_: 1 / 0)
    sentences, answers = api.load_task(runs / "sentences.yaml"), runs / "answers.yaml"
    with pytest.raises(ConfigError, match="needs a model that writes"):
        api.evaluate_tasks(runs / "encoder", [sentences, answers])
    with pytest.raises(ConfigError, match="two tasks are called 'sentences'"):
        api.evaluate_tasks(runs / "encoder", [sentences, sentences])
    small = build_training_run(tmp_path / "small", Tokenizer.open(runs / "t"), vocab_size=100)
    with pytest.raises(ArtifactError, match="an embedding of 100"):
        api.evaluate_tasks(small.path, [sentences])
    found = api.preview_tasks(runs / "encoder", [sentences], scratch=True)["sentences"]
    assert found["fine_tunings"] == 6
    assert isinstance(sentences, TaskConfig)
