import importlib.util
import json
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/parallel"))
import warm

import pretrain_process as process
from builders import build_documents, build_plan, build_shards, build_tokenizer, word_salad
from groundup.artifacts.checkpoint import TrainingRun, checkpoint_folders, find_checkpoint
from groundup.artifacts.documents import Document
from groundup.core.errors import ArtifactError, ConfigError, Stopped
from groundup.nn.config import ModelConfig
from groundup.nn.load import load_model
from groundup.nn.threads import threads
from groundup.nn.transformer import Inputs
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.hooks.config import HeldOutConfig
from groundup.train.hooks.evaluation import read_evaluations

KILLS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    process.line(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> TrainingRun:
    return process.pretrain(folder, folder / "whole")


def rows(out: Path) -> list[dict[str, float]]:
    return [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]


def same_result(out: Path, whole: TrainingRun) -> None:
    """Assert that the run ended as the uninterrupted one did, byte for byte, with each step once in its metrics."""
    result = TrainingRun.open(out)
    assert result.content_hash == whole.content_hash
    for name in ("model.safetensors", "state.safetensors"):
        assert (result.final.path / name).read_bytes() == (whole.final.path / name).read_bytes()
    assert [(row["step"], row["loss"]) for row in rows(out)] == [(row["step"], row["loss"]) for row in rows(whole.path)]
    assert evaluations(out) == evaluations(whole.path)


def evaluations(out: Path) -> list[dict[str, Any]]:
    return [{**row, "elapsed_s": 0} for row in read_evaluations(out / "evaluations.jsonl")]


def start(folder: Path, out: Path) -> warm.Program:
    return warm.Program([process.__file__, folder, out])


def wait_for_steps(out: Path, running: warm.Program, count: int) -> None:
    """Wait until the metrics have `count` more rows than now, or the process ends."""
    file = out / "metrics.jsonl"
    goal = (len(file.read_text().splitlines()) if file.exists() else 0) + count
    while running.poll() is None and (not file.exists() or len(file.read_text().splitlines()) < goal):
        time.sleep(0.005)


def test_the_artifact(whole: TrainingRun) -> None:
    assert whole.manifest.counts["steps"] == process.STEPS
    assert whole.manifest.counts["tokens"] == process.STEPS * 64
    losses = [row["loss"] for row in rows(whole.path)]
    assert whole.manifest.counts["final_loss"] == pytest.approx(sum(losses[-20:]) / 20)
    assert losses[-1] < losses[0] - 0.5
    assert sorted(path.name for path in (whole.path / "checkpoints").iterdir()) == ["best.json", "step-39", "step-40"]
    volatile = {name for name, entry in whole.manifest.files.items() if entry.volatile}
    assert volatile >= {"metrics.jsonl", "memory.json", "speed.json", "checkpoints/step-40/manifest.json"}
    memory = json.loads((whole.path / "memory.json").read_text())
    assert 0 < memory["start_rss_bytes"] <= memory["peak_memory_bytes"]
    speed = json.loads((whole.path / "speed.json").read_text())
    hooks_s = speed["hooks_share"] * speed["train_s"]
    assert speed["train_s"] == pytest.approx(sum(row["step_s"] for row in rows(whole.path)) + hooks_s)
    assert hooks_s >= sum(row["hooks_s"] for row in rows(whole.path)) > 0
    waited_s = [row["data_wait_s"] for row in rows(whole.path)]
    assert all(0 <= waited <= row["step_s"] for waited, row in zip(waited_s, rows(whole.path), strict=True))
    assert speed["data_wait_share"] == pytest.approx(sum(waited_s) / speed["train_s"])
    assert min(speed["median_step_s"], speed["tokens_per_s"], speed["mfu"]) > 0


def test_held_out_text_is_scored_ten_times_by_default(whole: TrainingRun) -> None:
    found = read_evaluations(whole.path / "evaluations.jsonl")
    assert [row["step"] for row in found] == [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]
    assert [row["tokens"] for row in found] == [64 * row["step"] for row in found]
    assert found[-1]["loss"] < found[0]["loss"] - 0.3
    assert found[-1]["by_source"].keys() == {"a", "b"}
    assert {row["targets"] for row in found} == {32}  # a row of each source, more than the share of a run of 2,560 tokens
    assert whole.manifest.files["evaluations.jsonl"].volatile


@pytest.mark.parametrize(
    "wanted", [HeldOutConfig(enabled=False), HeldOutConfig(every=1, max_tokens=10_000, prompts=("The array",), sample_tokens=5)]
)
def test_evaluation_changes_no_bit_of_the_run(folder: Path, tmp_path: Path, wanted: HeldOutConfig) -> None:
    """Under dropout, which draws random numbers in every step."""
    line = tmp_path / "line"
    line.mkdir()
    for name in ("tokenizer", "encode"):
        (line / name).symlink_to(folder / name)
    model = {**process.DECISIONS.model, "dropout": 0.2, "attention_dropout": 0.1}
    build_plan(line / "plan", process.DECISIONS.model_copy(update={"model": model, "steps": 12}))
    config = process.CONFIG.model_copy(update={"steps": 12})
    usual = process.pretrain(line, tmp_path / "usual", config=config)
    other = process.pretrain(line, tmp_path / "other", config=config.model_copy(update={"evaluate": wanted}))
    for name in ("model.safetensors", "state.safetensors", "progress.json"):
        assert (other.final.path / name).read_bytes() == (usual.final.path / name).read_bytes()
    found = read_evaluations(other.path / "evaluations.jsonl")
    assert [row["step"] for row in found] == (list(range(1, 13)) if wanted.enabled else [])
    assert all(row["samples"][0].keys() == {"prompt", "text"} for row in found)


def test_the_best_checkpoint_is_kept_and_the_same_after_kills(folder: Path, tmp_path: Path) -> None:
    """At a constant, high rate held-out text is predicted best somewhere on the way."""
    fast = {"optimizer": {"learning_rate": 1.0}, "schedule": {"name": "constant"}, "evaluate": {"every": 4, "max_tokens": 1000}}
    config = TrainConfig.parse({**process.CONFIG.model_dump(exclude={"schedule", "optimizer"}), **fast}, "test")
    whole = process.pretrain(folder, tmp_path / "whole", config=config)
    losses = {row["step"]: row["loss"] for row in evaluations(whole.path)}
    best = min(losses, key=losses.__getitem__)
    assert 4 < best < 39
    assert find_checkpoint(whole.path / "best").step == best
    assert find_checkpoint(whole.path).step == process.STEPS
    assert checkpoint_steps(whole.path) == [best, 39, 40]
    with pytest.MonkeyPatch.context() as patch:
        for stop in (best - 5, best, best + 1):
            patch.setattr(Course, "learning_rate", stop_at(stop))
            with pytest.raises(Stopped):
                process.pretrain(folder, tmp_path / "run", config=config)
            patch.undo()
    process.pretrain(folder, tmp_path / "run", config=config)
    same_result(tmp_path / "run", whole)
    assert checkpoint_steps(tmp_path / "run") == [best, 39, 40]


def checkpoint_steps(out: Path) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in checkpoint_folders(out / "checkpoints")]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard: pip install 'groundup[tensorboard]'"
)
@pytest.mark.filterwarnings("ignore")
def test_a_tracked_run_ends_in_the_same_bytes_and_keeps_the_tool_s_files_apart(
    folder: Path, whole: TrainingRun, tmp_path: Path
) -> None:
    tracked = process.pretrain(folder, tmp_path / "run", config=process.CONFIG.model_copy(update={"trackers": ("tensorboard",)}))
    same_result(tracked.path, whole)
    assert list((tmp_path / "run.trackers" / "tensorboard").rglob("events.out.tfevents.*"))
    assert json.loads((tracked.path / "tracker-tensorboard.json").read_text())["step"] == process.STEPS
    assert tracked.manifest.files["tracker-tensorboard.json"].volatile


def test_a_run_that_must_end_in_time_says_how_many_steps_it_took(folder: Path, tmp_path: Path) -> None:
    """Of its thousands of steps a few fit into a second."""
    line = tmp_path / "line"
    line.mkdir()
    for name in ("tokenizer", "encode"):
        (line / name).symlink_to(folder / name)
    build_plan(line / "plan", process.DECISIONS.model_copy(update={"steps": 100_000, "checkpoint_steps": 1000, "minutes": 1 / 60}))
    run = process.pretrain(line, tmp_path / "out", config=process.CONFIG.model_copy(update={"steps": None}))
    counts, last = run.manifest.counts, rows(run.path)[-1]
    assert counts["steps"] == last["step"] == run.final.step < 100_000 == counts["steps_planned"]
    peak = process.CONFIG.optimizer.peak(ModelConfig.parse(process.DECISIONS.model, "test"))
    assert last["lr"] == pytest.approx(0.05 * peak)
    assert sum(source["tokens"] for source in json.loads((run.path / "sources.json").read_text()).values()) == counts["tokens"]


def test_without_held_out_text_nothing_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curated = build_documents(tmp_path / "curate", [Document("a:0", word_salad(300), "a")], [])
    build_shards(tmp_path / "encode", curated, build_tokenizer(tmp_path / "tokenizer", curated))
    build_plan(tmp_path / "plan", process.DECISIONS.model_copy(update={"steps": 2}))
    run = process.pretrain(tmp_path, tmp_path / "out", config=process.CONFIG.model_copy(update={"steps": 2}))
    assert not (run.path / "evaluations.jsonl").exists()
    assert "nothing is evaluated on the way: " in capsys.readouterr().err


def test_text_seen_is_counted_by_source(whole: TrainingRun) -> None:
    seen = json.loads((whole.path / "sources.json").read_text())
    assert sum(source["tokens"] for source in seen.values()) == whole.manifest.counts["tokens"]
    assert seen["a"]["epochs"] == pytest.approx(2 * seen["b"]["epochs"], rel=0.1)


@pytest.fixture(scope="module")
def changing(folder: Path) -> TrainingRun:
    return process.pretrain(folder, folder / "changing", config=process.CHANGING)


def test_interrupted_where_batch_rows_and_mixture_change_it_ends_in_the_same_bytes(
    folder: Path, changing: TrainingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is whole from step 9, rows from step 12, the mixture changes at step 20."""
    assert [row["tokens"] for row in rows(changing.path)][:12] == [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512]
    assert changing.manifest.counts["tokens"] == 8 * 32 + 32 * 64
    out = tmp_path / "run"
    for stop in (4, 8, 11, 19, 25):
        with monkeypatch.context() as patch:
            patch.setattr(Course, "learning_rate", stop_at(stop))
            with pytest.raises(Stopped):
                process.pretrain(folder, out, config=process.CHANGING)
    process.pretrain(folder, out, config=process.CHANGING)
    same_result(out, changing)


def stop_at(step: int) -> Callable[[Course, int], float]:
    real = Course.learning_rate

    def stopped(course: Course, number: int) -> float:
        if number == step - 1:
            signal.raise_signal(signal.SIGTERM)
        return real(course, number)

    return stopped


def test_the_checkpoint_is_a_model(whole: TrainingRun) -> None:
    checkpoint = find_checkpoint(whole.path)
    assert checkpoint.step == process.STEPS
    assert checkpoint.tokenizer_file.is_file()
    assert set(checkpoint.manifest.inputs) == {"plan", "encode", "tokenizer"}
    model = load_model(checkpoint, torch.device("cpu"))
    assert model(Inputs(torch.zeros(1, 4, dtype=torch.int64))).isfinite().all()


def test_its_threads_are_recorded_and_end_with_it(folder: Path, tmp_path: Path) -> None:
    with threads(2):
        trained = process.pretrain(folder, tmp_path / "run")
        assert torch.get_num_threads() == 2
    assert trained.final.manifest.counts["num_threads"] == process.DECISIONS.num_threads == 1


def test_another_seed_is_another_result(folder: Path, whole: TrainingRun, tmp_path: Path) -> None:
    assert process.pretrain(folder, tmp_path / "seed", seed=6).content_hash != whole.content_hash


def test_sigterm_saves_and_exits_3_and_the_same_command_goes_on(folder: Path, whole: TrainingRun, tmp_path: Path) -> None:
    out = tmp_path / "run"
    running = start(folder, out)
    wait_for_steps(out, running, 4)
    running.send_signal(signal.SIGTERM)
    running.wait(60)
    words = running.ended().stderr
    assert running.returncode == 3, words
    assert "SIGTERM after step" in words
    assert "same command goes on" in words
    assert find_checkpoint(out).step == len(rows(out))
    process.pretrain(folder, out)
    same_result(out, whole)


def kill_often(folder: Path, out: Path, kills: int) -> int:
    """Kill the process `kills` times, each time at a random moment after some steps; return how many kills met it at work."""
    dice = random.Random(kills)
    killed = 0
    for _ in range(kills):
        running = start(folder, out)
        wait_for_steps(out, running, dice.randint(1, 8))
        time.sleep(dice.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        killed += running.ended().returncode == -signal.SIGKILL
    return killed


def test_killed_at_random_moments_ends_in_the_same_bytes(folder: Path, whole: TrainingRun, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert kill_often(folder, out, KILLS) > 0
    process.pretrain(folder, out)
    same_result(out, whole)


@pytest.mark.soak
def test_killed_at_many_random_moments(folder: Path, whole: TrainingRun, tmp_path: Path) -> None:
    for series in range(10):
        out = tmp_path / str(series)
        assert kill_often(folder, out, 4 + series % 3) > 0
        process.pretrain(folder, out)
        same_result(out, whole)


def test_tokenizer_of_other_shards_is_refused(folder: Path, tmp_path: Path) -> None:
    other = build_documents(tmp_path / "curate", [Document("x:0", word_salad(300, 99).upper(), "x")], [])
    strange = tmp_path / "line"
    strange.mkdir()
    for name in ("plan", "encode"):
        (strange / name).symlink_to(folder / name)
    tokenizer = build_tokenizer(strange / "tokenizer", other)
    with pytest.raises(ArtifactError) as caught:
        process.pretrain(strange, tmp_path / "out")
    assert tokenizer.content_hash[:12] in str(caught.value)
    assert json.loads((folder / "encode" / "shards.json").read_text())["tokenizer_hash"][:12] in str(caught.value)


def test_plan_of_a_smaller_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    strange = tmp_path / "line"
    strange.mkdir()
    for name in ("tokenizer", "encode"):
        (strange / name).symlink_to(folder / name)
    model = {**process.DECISIONS.model, "vocab_size": 257}
    build_plan(strange / "plan", process.DECISIONS.model_copy(update={"model": model}))
    with pytest.raises(ArtifactError, match=r"plans a model of 257 tokens, but .* of 3.*; plan again"):
        process.pretrain(strange, tmp_path / "out")


def test_a_compiled_plan_without_a_compiler_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "line"
    elsewhere.mkdir()
    for name in ("tokenizer", "encode"):
        (elsewhere / name).symlink_to(folder / name)
    build_plan(elsewhere / "plan", process.DECISIONS.model_copy(update={"compiled": True}))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"plans a compiled step, and this machine has no C\+\+ compiler.*pretrain.compile=off"):
        process.pretrain(elsewhere, tmp_path / "out")
