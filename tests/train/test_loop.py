import json
import math
import re
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import builders
from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ArtifactError, DivergedError, Stopped, StorageError
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import RunPrecision, TrainConfig
from groundup.train.course.config import ScheduleConfig
from groundup.train.deadline import Deadline
from groundup.train.healing.config import HealingConfig
from groundup.train.keeping import Keeping
from groundup.train.loop import train
from groundup.train.loss_scale import LossScale
from groundup.train.memory import PeakMemory
from groundup.train.metrics import Efficiency, MetricsLog, read_rows
from groundup.train.optim.config import OptimizerConfig, OptimizerName
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.step import TrainStep
from packed_rows import causal

CPU = torch.device("cpu")
MODEL = ModelConfig(vocab_size=350, dim=16, num_layers=1, num_heads=2, num_kv_heads=2, ffn_dim=32, max_seq_len=16)
STEPS, EVERY = 12, 4
DEFAULT_OPTIMIZER = OptimizerConfig()
UNHEALED = HealingConfig(enabled=False)


@dataclass(frozen=True)
class Inputs:
    shards: TokenShards
    tokenizer: Path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    curated = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(600), "a")], [])
    tokenizer = builders.build_tokenizer(folder / "tokenizer", curated)
    return Inputs(builders.build_shards(folder / "encode", curated, tokenizer), tokenizer.path)


Hook = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Run:
    inputs: Inputs
    out: Path
    keep: int = 2
    learning_rate: float = 1e-2
    optimizer: OptimizerConfig = DEFAULT_OPTIMIZER
    healing: HealingConfig = UNHEALED
    patience_s: float = 0.0
    keeping: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    model: ModelConfig = MODEL
    precision: RunPrecision = "fp32"
    scale: float = 2.0**20
    """What the loss is multiplied by at first, in fp16; so much that the first gradients overflow."""
    spoilt: bool = False
    """Whether no gradient is finite."""
    elapsed: Callable[[], float] = time.perf_counter
    seconds: float = math.inf

    def go(self, *hooks: Hook, signals: dict[int, signal.Signals] | None = None) -> "Run":
        """Do what a fresh process does; `signals` come during the steps of these numbers."""

        def rate(step: float) -> float:
            if isinstance(self.elapsed, Clock):
                self.elapsed.tick()
            if signals and step + 1 in signals:
                signal.raise_signal(signals[step + 1])
            return self.learning_rate / (1 + step)

        torch.manual_seed(2)
        model = build_model(self.model)
        model.init_weights(torch.Generator().manual_seed(1))
        optimizer = build_optimizer(model, self.optimizer)
        objective = causal(self.inputs.shards, 16)
        train_step = TrainStep(model, optimizer, self.precision, 1.0, CPU)
        if train_step.loss_scale:
            train_step.loss_scale = LossScale(self.scale, growth_steps=4)
        if self.spoilt:
            model.embedding.weight.register_hook(lambda gradient: gradient * math.inf)
        self.out.mkdir(exist_ok=True)
        order = Order("pretrain", Checkpoint.kind, self.out, TrainConfig(), 0)
        train(
            steps=STEPS,
            train_step=train_step,
            batches=BatchReader(self.inputs.shards, objective, seed=0, batch_sequences=4, micro_batch=2, document_mask=True),
            learning_rate=rate,
            checkpoints=CheckpointStore(
                self.out / "checkpoints",
                order,
                self.model,
                self.inputs.tokenizer,
                Keeping(EVERY, self.keep, **self.keeping),
                patience_s=self.patience_s,
                clock=self.clock,
            ),
            metrics=MetricsLog(
                self.out / "metrics.jsonl",
                Efficiency(lambda _: 64, lambda _: 1e5, 1e11),
                PeakMemory(CPU),
                self.patience_s,
                self.elapsed,
            ),
            healing=self.healing,
            hooks=hooks,
            deadline=Deadline(STEPS, ScheduleConfig(), self.seconds),
        )
        return self

    def steps_saved(self) -> list[int]:
        return sorted(int(path.name.removeprefix("step-")) for path in (self.out / "checkpoints").glob("step-*"))

    def bytes(self, step: int = STEPS) -> dict[str, bytes]:
        folder = self.out / "checkpoints" / f"step-{step}"
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}

    def rows(self) -> list[dict[str, Any]]:
        return read_rows(self.out / "metrics.jsonl")

    def interrupt(self, at: int) -> "Run":
        """Run until a SIGTERM that comes during step `at`."""
        with pytest.raises(Stopped, match=f"SIGTERM after step {at} of {STEPS}"):
            self.go(signals={at: signal.SIGTERM})
        return self

    def crash(self, at: int) -> "Run":
        """Run until an error in step `at`, before anything of it is saved."""

        def fail(row: dict[str, Any]) -> None:
            if row["step"] == at:
                raise StorageError("planted")

        with pytest.raises(StorageError, match="planted"):
            self.go(fail)
        return self


@pytest.fixture(scope="module")
def whole(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that nothing interrupts."""
    return Run(inputs, tmp_path_factory.mktemp("whole") / "run").go()


def same_learning(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    keys = ("step", "tokens", "loss", "lr", "grad_norm")
    return [[row[key] for key in keys] for row in rows] == [[row[key] for key in keys] for row in expected]


def test_metrics_have_each_step_once(whole: Run) -> None:
    rows = whole.rows()
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["tokens"] for row in rows] == [64 * step for step in range(1, STEPS + 1)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [row["step"] for row in rows if "checkpoint" in row["events"]] == [4, 8, 12]
    assert rows[0].keys() >= {"lr", "grad_norm", "tokens_per_s", "mfu", "peak_memory_bytes", "events"}
    assert rows[3]["mfu"] == pytest.approx(1e5 * rows[3]["tokens_per_s"] / 1e11)


def test_keeps_the_newest_checkpoints(whole: Run) -> None:
    assert whole.steps_saved() == [8, 12]
    checkpoint = Checkpoint.open(whole.out / "checkpoints" / "step-12")
    assert checkpoint.step == 12
    assert not checkpoint.damaged_files()
    progress = json.loads((checkpoint.path / "progress.json").read_text())
    assert (progress["step"], progress["tokens"], progress["passed_over"]) == (12, 768, [])


def test_two_runs_give_the_same_bytes(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    assert Run(inputs, tmp_path / "run").go().bytes() == whole.bytes()


@pytest.fixture(scope="module")
def half(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in float16 whose first gradients overflow."""
    return Run(inputs, tmp_path_factory.mktemp("half") / "run", precision="fp16").go()


def test_a_step_that_overflows_is_skipped_and_says_so(half: Run) -> None:
    rows = half.rows()
    skipped = [row for row in rows if "overflow" in row["events"]]
    first = next(row for row in rows if row not in skipped)
    assert 0 < len(skipped) < STEPS / 2
    assert [row["loss_scale"] for row in rows[: first["step"]]] == [2.0 ** (20 - step) for step in range(first["step"])]
    assert {(row["grad_norm"], row["update_ratio"]) for row in skipped} == {(None, 0.0)}
    assert all(math.isfinite(row["grad_norm"]) for row in rows if row not in skipped)
    assert any(after["loss_scale"] > before["loss_scale"] for before, after in pairwise(rows[first["step"] :]))
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.parametrize("stops", [[1], [4, 9]])
def test_a_run_in_float16_that_was_stopped_equals_one_that_was_not(
    inputs: Inputs, half: Run, tmp_path: Path, stops: list[int]
) -> None:
    run = Run(inputs, tmp_path / "run", precision="fp16")
    for at in stops:
        run.interrupt(at)
    run.go()
    assert run.bytes() == half.bytes()
    assert same_learning(run.rows(), half.rows())
    assert [row["loss_scale"] for row in run.rows()] == [row["loss_scale"] for row in half.rows()]


def test_weights_in_bfloat16_go_on_exactly(inputs: Inputs, tmp_path: Path) -> None:
    once = Run(inputs, tmp_path / "once", precision="bf16_weights").go()
    other = Run(inputs, tmp_path / "other", precision="bf16").go()
    twice = Run(inputs, tmp_path / "twice", precision="bf16_weights").interrupt(3).crash(7).interrupt(9).go()
    assert twice.bytes() == once.bytes()
    assert same_learning(twice.rows(), once.rows())
    assert once.bytes()["model.safetensors"] != other.bytes()["model.safetensors"]
    assert Checkpoint.open(once.out / "checkpoints" / "step-12").weights.stat().st_size == (
        Checkpoint.open(other.out / "checkpoints" / "step-12").weights.stat().st_size
    )


@pytest.mark.parametrize("healing", [UNHEALED, HealingConfig()], ids=["unhealed", "healed"])
def test_a_loss_scale_that_falls_to_the_least_ends_the_run(inputs: Inputs, tmp_path: Path, healing: HealingConfig) -> None:
    run = Run(inputs, tmp_path / "run", precision="fp16", scale=4.0, spoilt=True, healing=healing)
    with pytest.raises(
        DivergedError, match=r"step 3: the gradient overflows float16 even with a loss scale of 1, .* bf16 and fp32"
    ):
        run.go()
    assert [(row["loss_scale"], row["events"]) for row in run.rows()] == [(4.0, ["overflow"]), (2.0, ["overflow"])]


@pytest.mark.parametrize("stops", [[1], [4], [11], [3, 5, 9, 10]])
def test_stopped_by_a_signal_and_gone_on_equals_uninterrupted(inputs: Inputs, whole: Run, tmp_path: Path, stops: list[int]) -> None:
    run = Run(inputs, tmp_path / "run")
    for at in stops:
        run.interrupt(at)
        assert run.steps_saved()[-1] == at
    run.go()
    assert run.bytes() == whole.bytes()
    assert run.steps_saved() == whole.steps_saved()
    assert run.bytes(8) == whole.bytes(8)
    assert same_learning(run.rows(), whole.rows())
    assert [row["step"] for row in run.rows() if "resumed" in row["events"]] == [at + 1 for at in stops]


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != DEFAULT_OPTIMIZER.name])
def test_every_optimizer_goes_on_exactly(inputs: Inputs, tmp_path: Path, name: OptimizerName) -> None:
    optimizer = OptimizerConfig(name=name)
    once = Run(inputs, tmp_path / "once", optimizer=optimizer).go()
    assert Run(inputs, tmp_path / "twice", optimizer=optimizer).interrupt(6).go().bytes() == once.bytes()


def test_crashed_and_gone_on_equals_uninterrupted(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").crash(3).crash(7).crash(10).go()
    assert run.bytes() == whole.bytes()
    assert same_learning(run.rows(), whole.rows())


def test_a_signal_in_the_last_step_ends_the_run_as_usual(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").go(signals={STEPS: signal.SIGINT})
    assert run.bytes() == whole.bytes()


def test_signal_handlers_are_put_back(whole: Run) -> None:
    before = signal.getsignal(signal.SIGINT)
    whole.go()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_run_changes_nothing(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").go()
    before = (run.out / "metrics.jsonl").read_bytes()
    run.go()
    assert (run.out / "metrics.jsonl").read_bytes() == before
    assert run.bytes() == whole.bytes()


@pytest.mark.parametrize("file", ["model.safetensors", "state.safetensors", "progress.json"])
def test_damaged_newest_checkpoint_falls_back(
    inputs: Inputs, whole: Run, tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(inputs, tmp_path / "run").interrupt(10)
    damaged = run.out / "checkpoints" / "step-10" / file
    content = bytearray(damaged.read_bytes())
    content[-2] ^= 1
    damaged.write_bytes(bytes(content))
    run.go()
    assert f"{file} damaged" in capsys.readouterr().err
    assert [row["step"] for row in run.rows() if "resumed" in row["events"]] == [9]
    assert run.bytes() == whole.bytes()
    assert run.steps_saved() == whole.steps_saved()


def test_truncated_and_unfinished_checkpoints_are_passed_over(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").interrupt(10)
    folder = run.out / "checkpoints"
    (folder / "step-10" / "state.safetensors").write_bytes(b"short")
    (folder / "step-11").mkdir()
    (folder / "step-11" / "model.safetensors").write_bytes(b"half")
    run.go()
    assert run.bytes() == whole.bytes()
    assert run.steps_saved() == [8, 12]


def test_a_kill_while_old_checkpoints_are_removed_leaves_nothing_behind(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").go()
    half_removed = run.out / "checkpoints" / "step-4"
    half_removed.mkdir()
    (half_removed / "model.safetensors").write_bytes(b"half")
    assert run.go().steps_saved() == whole.steps_saved()


def test_no_room_for_a_checkpoint(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    """Files over 40 kB are refused by the system; with the limit gone the same command goes on."""
    run = Run(inputs, tmp_path / "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(StorageError, match=r"state\.safetensors: File too large; .* run the same command again"):
            run.go()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.go().bytes() == whole.bytes()
    assert same_learning(run.rows(), whole.rows())


def test_a_run_waits_for_room(inputs: Inputs, whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The limit goes after half a second; the second try, after a whole one, is granted."""
    run = Run(inputs, tmp_path / "run", patience_s=3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    room = threading.Timer(0.5, resource.setrlimit, (resource.RLIMIT_FSIZE, (soft, hard)))
    room.start()
    try:
        run.go()
    finally:
        room.join()
    assert "tries again" in capsys.readouterr().err
    assert run.bytes() == whole.bytes()
    assert same_learning(run.rows(), whole.rows())


def test_a_checkpoint_of_another_model_is_refused_and_kept(inputs: Inputs, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").interrupt(6)
    other = replace(run, model=MODEL.model_copy(update={"dim": 2 * MODEL.dim}))
    with pytest.raises(
        ArtifactError, match=rf"step-6: .* another model \(model.dim {MODEL.dim} there, {2 * MODEL.dim} here\); move it"
    ):
        other.go()
    assert run.go().steps_saved() == [8, 12]


def test_nothing_whole_left_starts_anew(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run", keep=1).interrupt(6)
    (run.out / "checkpoints" / "step-6" / "model.safetensors").unlink()
    run.go()
    assert run.bytes() == whole.bytes()
    assert same_learning(run.rows(), whole.rows())


def test_a_metrics_line_cut_short_by_a_kill_is_made_again(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run").interrupt(6)
    with (run.out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "tok')
    run.go()
    assert same_learning(run.rows(), whole.rows())


@pytest.mark.parametrize("keep", [1, 3, 5])
def test_the_same_checkpoints_remain_however_often_it_was_stopped(inputs: Inputs, tmp_path: Path, keep: int) -> None:
    once = Run(inputs, tmp_path / "once", keep=keep).go()
    often = Run(inputs, tmp_path / "often", keep=keep)
    for at in (2, 5, 7, 9, 11):
        often.interrupt(at)
    assert often.go().steps_saved() == once.steps_saved()


LOSSES = {3: 5.0, 6: 3.0, 9: 3.5, 12: 4.0}
SCORED: dict[str, Any] = {"is_scored": lambda step: step % 3 == 0, "losses": lambda: LOSSES}


@pytest.mark.parametrize("stops", [[], [6], [2, 5, 7, 8, 11]])
def test_the_best_checkpoint_stays(inputs: Inputs, whole: Run, tmp_path: Path, stops: list[int]) -> None:
    """Scores of steps that are still to come, as an interrupted run may have left them, are of no checkpoint yet."""
    run = Run(inputs, tmp_path / "run", keeping=SCORED)
    for at in stops:
        run.interrupt(at)
    run.go()
    assert run.steps_saved() == [6, 8, 12]
    assert json.loads((run.out / "checkpoints" / "best.json").read_text()) == {"step": 6, "loss": 3.0}
    assert run.bytes() == whole.bytes()


def test_checkpoints_every_so_many_steps_stay_for_good(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run", keeping={"keep_every": 5}).interrupt(7).go()
    assert run.steps_saved() == [5, 8, 10, 12]
    assert run.bytes() == whole.bytes()
    assert not (run.out / "checkpoints" / "best.json").exists()


def test_checkpoints_by_the_clock_only_bridge_the_time(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    """The clock goes on by a second each time that it is read, which is once a step and at each checkpoint."""
    seconds = iter(range(10_000))
    run = Run(inputs, tmp_path / "run", keeping={"every_s": 3.0}, clock=lambda: float(next(seconds)))
    by_clock = {row["step"] for row in run.go().rows() if "checkpoint" in row["events"]} - {4, 8, 12}
    assert by_clock
    assert run.steps_saved() == whole.steps_saved()
    assert run.bytes() == whole.bytes()
    Run(inputs, tmp_path / "again", keeping={"every_s": 0.0}).crash(11)
    again = Run(inputs, tmp_path / "again", keeping={"every_s": 0.0})
    assert again.steps_saved()[-1] == 10
    assert again.go().bytes() == whole.bytes()


class Clock:
    """A clock of which the test says how long a step takes."""

    def __init__(self, *steps_s: float) -> None:
        self.now_s, self._steps_s = 100.0, iter(steps_s)

    def __call__(self) -> float:
        return self.now_s

    def tick(self) -> None:
        self.now_s += next(self._steps_s)


def test_a_run_that_must_end_in_time_does_and_keeps_to_its_decision(inputs: Inputs, whole: Run, tmp_path: Path) -> None:
    """16 s are enough for 12 steps of 1 s; from step 5 on they take 3."""
    slow = (1.0, 1.0, 1.0, 1.0, *[3.0] * STEPS)
    once = Run(inputs, tmp_path / "once", elapsed=Clock(*slow), seconds=16.0).go()
    rows = once.rows()
    events = [event for row in rows for event in row["events"] if isinstance(event, dict)]
    first, decided, steps = events[0]["step"], events[-1]["step"], events[-1]["to_steps"]
    assert {event["event"] for event in events} == {"shortened"}
    assert rows[-1]["step"] == once.steps_saved()[-1] == steps < STEPS
    assert rows[-1]["elapsed_s"] <= 16.0
    assert "checkpoint" in rows[decided - 1]["events"]
    assert rows[-1]["lr"] == whole.rows()[-1]["lr"]
    assert same_learning(rows[:first], whole.rows()[:first])

    again = Run(inputs, tmp_path / "again", elapsed=Clock(*slow), seconds=16.0).crash(decided + 1)
    replace(again, elapsed=Clock(*[0.1] * STEPS)).go()  # there would be time now, but it is decided
    assert again.bytes(steps) == once.bytes(steps)
    assert same_learning(again.rows(), rows)


def test_divergence_is_told_and_not_saved(inputs: Inputs, tmp_path: Path) -> None:
    run = Run(inputs, tmp_path / "run", learning_rate=1e35)
    with pytest.raises(DivergedError, match=r"diverged.*lower pretrain\.optimizer\.learning_rate.*no checkpoint was saved before"):
        run.go()
    assert not (run.out / "checkpoints").exists()


def test_divergence_names_the_last_good_checkpoint(inputs: Inputs, tmp_path: Path) -> None:
    Run(inputs, tmp_path / "run").interrupt(6)
    run = Run(inputs, tmp_path / "run", learning_rate=1e35)
    good = run.out / "checkpoints" / "step-6"
    with pytest.raises(DivergedError, match=f"the last good checkpoint is {re.escape(str(good))}$"):
        run.go()
    assert run.steps_saved()[-1] == 6
    assert not Checkpoint.open(good).damaged_files()
