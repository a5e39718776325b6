"""A preflight finds planted faults, and leaves no trace in the run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import builders
import pretrain_process as process
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Job
from groundup.artifacts.documents import Document
from groundup.artifacts.plan import Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core import containers
from groundup.core.errors import VerificationError
from groundup.pretrain.checks import Subject
from groundup.pretrain.preflight import preflight
from groundup.pretrain.run import check, subject_of
from groundup.train.config import TrainConfig

CHECKS = [
    "held-out text is not trained on",
    "a batch",
    "memory of a step",
    "first loss",
    "gradient",
    "a batch can be learned",
    "a checkpoint written and read back",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    process.line(folder)
    return folder


def job_of(folder: Path, out: Path) -> Job:
    out.mkdir()
    return Job(out, 5, "cpu", {name: Artifact.open(folder / name) for name in ("plan", "encode", "tokenizer")})


def subject(folder: Path, out: Path, config: TrainConfig = process.CONFIG) -> Subject:
    job = job_of(folder, out)
    return subject_of(config, job, job.open("plan", Plan), job.open("encode", TokenShards), job.open("tokenizer", Tokenizer))


def test_all_is_well(folder: Path, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    checks = check(process.CONFIG, job_of(folder, tmp_path / "out"))
    assert [entry.name for entry in checks] == CHECKS
    assert all(entry.passed for entry in checks)
    assert torch.equal(state, torch.get_rng_state())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["preflight.json"]
    written = json.loads((tmp_path / "out" / "preflight.json").read_text())["checks"]
    assert [entry["name"] for entry in written] == CHECKS


def test_a_run_that_was_checked_first_is_the_same(folder: Path, tmp_path: Path) -> None:
    plain = process.pretrain(folder, tmp_path / "plain")
    checked = process.pretrain(folder, tmp_path / "checked", config=process.CONFIG.model_copy(update={"preflight": "on"}))
    assert not (plain.path / "preflight.json").exists(), "a short run is not checked by itself"
    assert (checked.path / "preflight.json").is_file()
    assert checked.final.weights.read_bytes() == plain.final.weights.read_bytes()
    assert checked.content_hash == plain.content_hash


def test_what_needs_a_whole_model_is_left_out_where_none_fits(folder: Path, tmp_path: Path) -> None:
    checks = preflight(replace(subject(folder, tmp_path / "out"), is_whole=False))
    assert [entry.name for entry in checks] == CHECKS[:2]


def doubled(model: nn.Module) -> None:
    next(iter(model.parameters())).register_hook(lambda gradient: 2 * gradient)


def frozen(model: nn.Module) -> None:
    next(iter(model.parameters())).requires_grad_(False)


def enlarged(model: nn.Module) -> None:
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(60)


def not_a_number(model: nn.Module) -> None:
    with torch.no_grad():
        next(iter(model.parameters()))[0, 0] = torch.nan


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (doubled, "gradient: norm .* by differences .*: backpropagation is wrong"),
        (frozen, "no gradient reaches embedding.weight"),
        (enlarged, r"first loss: .* nats a target; guessing evenly 5\.858; look at model.init"),
        (not_a_number, "first loss: nan nats"),
    ],
)
def test_a_model_that_cannot_learn_is_found(folder: Path, tmp_path: Path, fault: Callable[[nn.Module], None], words: str) -> None:
    sound = subject(folder, tmp_path / "out")

    def build() -> nn.Module:
        model = sound.build_model()
        fault(model)
        return model

    with pytest.raises(VerificationError, match=words):
        preflight(replace(sound, build_model=build))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["preflight.json"]


def test_a_rate_that_is_too_high(folder: Path, tmp_path: Path) -> None:
    words = r"begun: a batch can be learned: .*; lower pretrain.optimizer.learning_rate \(1000\); to train all the same"
    with pytest.raises(VerificationError, match=words):
        preflight(replace(subject(folder, tmp_path / "out"), peak_rate=1e3))


def test_no_room_for_the_checkpoints(folder: Path, tmp_path: Path) -> None:
    config = process.CONFIG.model_copy(update={"keep_checkpoints": 10**9})
    with pytest.raises(VerificationError, match=r"a checkpoint .* each, and only .* are free for 1,000,000,002 of them; make room"):
        preflight(subject(folder, tmp_path / "out", config))


def test_no_room_in_memory(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is all but full."""
    (tmp_path / "memory.max").write_text("1000000000")
    (tmp_path / "memory.current").write_text("999999000")
    monkeypatch.setattr(containers, "_CGROUP", tmp_path)
    with pytest.raises(VerificationError, match=r"memory of a step: .* 1 kB available; set pretrain.micro_batch=1"):
        preflight(subject(folder, tmp_path / "out"))


def test_held_out_text_that_is_trained_on(tmp_path: Path) -> None:
    documents = [Document("a:0", builders.word_salad(500, 0), "a"), Document("a:1", builders.word_salad(80, 1), "a")]
    held_out = [Document("a:2", documents[1].text, "a"), Document("a:3", builders.word_salad(80, 2), "a")]
    curated = builders.build_documents(tmp_path / "curate", documents, held_out, {"a": 1.0})
    builders.build_shards(tmp_path / "encode", curated, builders.build_tokenizer(tmp_path / "tokenizer", curated))
    builders.build_plan(tmp_path / "plan", process.DECISIONS)
    with pytest.raises(VerificationError, match=r"1 of 2 documents are trained on too, the first is a:2"):
        preflight(subject(tmp_path, tmp_path / "out"))
