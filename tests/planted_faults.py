"""Training runs of a small real model with faults planted late in them."""

import shutil
import signal
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import builders
from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import StorageError
from groundup.nn.config import ModelConfig
from groundup.nn.load import load_model
from groundup.nn.transformer import build_model
from groundup.train.batch import Batch
from groundup.train.batches import BatchReader, RowReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import TrainConfig
from groundup.train.course.config import ScheduleConfig
from groundup.train.course.schedules import learning_rate
from groundup.train.healing.config import HealingConfig
from groundup.train.keeping import Keeping
from groundup.train.loop import train
from groundup.train.loss import IGNORE
from groundup.train.memory import PeakMemory
from groundup.train.metrics import Efficiency, MetricsLog, read_rows
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import StepResult, TrainStep
from packed_rows import causal

CPU = torch.device("cpu")
SEQ_LEN, ROWS = 32, 16
PEAK = 4e-3
BURST = 100.0


@dataclass(frozen=True)
class Setting:
    """How long the runs are, and where in them the fault lies; all in steps."""

    steps: int
    every: int
    first: int
    last: int
    dim: int = 48

    @property
    def model(self) -> ModelConfig:
        return ModelConfig(
            vocab_size=512, dim=self.dim, num_layers=2, num_heads=4, num_kv_heads=4, ffn_dim=2 * self.dim, max_seq_len=SEQ_LEN
        )

    def is_faulty(self, step: int) -> bool:
        return self.first <= step < self.last


UNHEALED = HealingConfig(enabled=False)
SHORT_CALM = HealingConfig(calm_steps=10)
TINY = Setting(steps=60, every=6, first=45, last=50, dim=8)
SHORT = Setting(steps=200, every=20, first=165, last=179)
LONG = Setting(steps=1200, every=50, first=960, last=1080, dim=64)
"""Of 80 steps of one token again and again the rest of the run makes nearly good what they did (0.2 % are left); not of 120."""


@dataclass(frozen=True)
class Text:
    shards: TokenShards
    tokenizer: Path


def real_text(folder: Path, num_bytes: int) -> Text:
    """Encode so much of the source of standard modules, more than a run reads; every eighth piece is held out."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = (file.read_text()[:40_000] for file in files)
    pieces = [text[at : at + 2000] for text in texts for at in range(0, len(text), 2000)][: num_bytes // 2000]
    documents = [Document(f"own:{number:04}", piece, "own") for number, piece in enumerate(pieces)]
    held_out = documents[::8]
    curated = builders.build_documents(folder / "curate", [d for d in documents if d not in held_out], held_out)
    tokenizer = builders.build_tokenizer(folder / "tokenizer", curated, 512)
    return Text(builders.build_shards(folder / "encode", curated, tokenizer), tokenizer.path)


@dataclass(frozen=True)
class FaultyRun:
    text: Text
    out: Path
    setting: Setting
    healing: HealingConfig = SHORT_CALM
    nan_places: range = range(0)
    burst: bool = False
    attempts: int | None = None
    """Batches after which the run is interrupted by an error."""
    signal_at: int | None = None
    """Batch during which the run gets a SIGTERM."""

    def go(self) -> "FaultyRun":
        torch.manual_seed(2)
        setting = self.setting
        model = build_model(setting.model)
        model.init_weights(torch.Generator().manual_seed(1))
        optimizer = build_optimizer(model, OptimizerConfig())

        def rate(step: int) -> float:
            usual = learning_rate(step, setting.steps, PEAK, ScheduleConfig())
            return usual * BURST if self.burst and setting.is_faulty(step) else usual

        self.out.mkdir(exist_ok=True)
        reader = self.reader()
        order = Order("pretrain", Checkpoint.kind, self.out, TrainConfig(), 0)
        train(
            steps=setting.steps,
            train_step=InterruptedStep(self, TrainStep(model, optimizer, "fp32", 1.0, CPU)),
            batches=reader,
            learning_rate=rate,
            checkpoints=CheckpointStore(
                self.out / "checkpoints", order, setting.model, self.text.tokenizer, Keeping(setting.every, keep=2)
            ),
            metrics=MetricsLog(self.out / "metrics.jsonl", Efficiency(reader.step_tokens, lambda _: 1e5, 1e11), PeakMemory(CPU)),
            healing=self.healing,
        )
        return self

    def reader(self) -> BatchReader:
        reader = BatchReader(
            self.text.shards, causal(self.text.shards, SEQ_LEN), seed=0, batch_sequences=ROWS, micro_batch=ROWS, document_mask=True
        )
        return NothingToPredict(reader, self.nan_places) if self.nan_places else reader

    def unhealed(self) -> "FaultyRun":
        return replace(self, out=self.out.with_name(self.out.name + "-unhealed"), healing=UNHEALED)

    @property
    def final(self) -> Checkpoint:
        return Checkpoint.open(self.out / "checkpoints" / f"step-{self.setting.steps}")

    def rows(self) -> list[dict[str, Any]]:
        return read_rows(self.out / "metrics.jsonl")

    def events(self) -> list[dict[str, Any]]:
        return [event for row in self.rows() for event in row["events"] if isinstance(event, dict)]

    def held_out_loss(self) -> float:
        """Return the final model's nats per token over all held-out windows."""
        objective = causal(self.text.shards, SEQ_LEN)
        rows = RowReader(self.text.shards, "validation", objective, 0, document_mask=True)
        windows = np.arange(rows.streams[0].windows)
        batch = objective(rows.rows(np.zeros_like(windows), windows, np.zeros_like(windows)))
        model = load_model(self.final, CPU)
        with torch.inference_mode():
            return float(TrainStep(model, torch.optim.SGD(model.parameters()), "fp32", 1.0, CPU).loss(batch)[1]) / len(
                batch.targets.flatten()
            )


def in_bytes(run: FaultyRun) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.final.path.iterdir()) if path.name != "manifest.json"}


def told(run: FaultyRun) -> list[tuple]:
    timeless = [{key: value for key, value in event.items() if key != "at"} for event in run.events()]
    return [*[(row["step"], row["loss"], row["lr"]) for row in run.rows()], timeless]


class InterruptedStep(TrainStep):
    """A step that fails, or raises a signal, when it has been taken so often."""

    def __init__(self, run: FaultyRun, step: TrainStep) -> None:
        self.__dict__.update(vars(step))
        self._run = run
        self._attempts = 0

    def gradient(self, micro_batches: Sequence[Batch]) -> StepResult:
        self._attempts += 1
        if self._attempts == self._run.signal_at:
            signal.raise_signal(signal.SIGTERM)
        if self._attempts == self._run.attempts:
            raise StorageError("planted")
        return super().gradient(micro_batches)


class NothingToPredict(BatchReader):
    """A reader whose batches at some places have no target: their loss is 0 / 0."""

    def __init__(self, reader: BatchReader, places: range) -> None:
        self.__dict__.update(vars(reader))
        self._empty = places

    def read(self, step: int, shift: int = 0) -> list[Batch]:
        batches = super().read(step, shift)
        if not set(self.places(step, shift)) & set(self._empty):
            return batches
        return [Batch(batch.inputs, torch.full_like(batch.targets, IGNORE)) for batch in batches]


def with_tokens(run: FaultyRun, folder: Path, make: Callable[[int], np.ndarray]) -> FaultyRun:
    """Return the run on shards where what the faulty steps read is replaced by `make(number of tokens)`."""
    shutil.copytree(run.text.shards.path, folder)
    reader = run.reader()
    first, last = (reader.places(step).start for step in (run.setting.first, run.setting.last))
    tokens = np.memmap(folder / "train" / "own.bin", dtype=run.text.shards.info.dtype, mode="r+")
    for window in reader.windows(range(first, last))["own"]:
        tokens[window * SEQ_LEN : (window + 1) * SEQ_LEN] = make(SEQ_LEN)
    tokens.flush()
    return replace(run, text=replace(run.text, shards=TokenShards.open(folder)))


def random_tokens(run: FaultyRun, folder: Path) -> FaultyRun:
    dice = np.random.default_rng(0)
    return with_tokens(run, folder, lambda size: dice.integers(0, 512, size))


def constant_tokens(run: FaultyRun, folder: Path) -> FaultyRun:
    return with_tokens(run, folder, lambda size: np.full(size, 511))


def nan_batches(run: FaultyRun, _: Path) -> FaultyRun:
    reader = run.reader()
    return replace(run, nan_places=range(reader.places(run.setting.first).start, reader.places(run.setting.last).start))


def learning_rate_burst(run: FaultyRun, _: Path) -> FaultyRun:
    return replace(run, burst=True)


FAULTS = {
    "random": random_tokens,
    "constant": constant_tokens,
    "nan": nan_batches,
    "burst": learning_rate_burst,
}
