"""What the training loop itself takes of a step: everything but forward, backward, clipping and optimizer.

    python benchmarks/training/loop_share.py [CASE] [--steps 30] [--every 5]

The loop of `groundup pretrain` with its reader, metrics on disk, healing's window and checkpoints, on the case's model. Also told:
how long a step is held for a checkpoint (saving and waiting until it is copied; writing goes on in a thread).
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import torch
from cases import CASES
from groundup_engine import made_up_shards, model_config, objective_of  # type: ignore[import-not-found]

from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TOKENIZER_FILES
from groundup.nn.transformer import build_model
from groundup.train.batch import Batch
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import TrainConfig
from groundup.train.healing.config import HealingConfig
from groundup.train.keeping import Keeping
from groundup.train.loop import train
from groundup.train.memory import PeakMemory, kept_memory
from groundup.train.metrics import Efficiency, MetricsLog
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import StepResult, TrainStep

CPU = torch.device("cpu")
WARM_UP = 3


class TimedStep(TrainStep):
    """A step that keeps how long its own work took."""

    seconds: list[float]

    def gradient(self, micro_batches: Sequence[Batch]) -> StepResult:
        start_s = time.perf_counter()
        result = super().gradient(micro_batches)
        self.seconds.append(time.perf_counter() - start_s)
        return result

    def update(self, learning_rate: float) -> Any:
        start_s = time.perf_counter()
        result = super().update(learning_rate)
        self.seconds[-1] += time.perf_counter() - start_s
        return result


class TimedStore(CheckpointStore):
    """Checkpoints that keep how long they held the loop."""

    held_s: list[float]

    def save(self, *given: Any, **more: Any) -> None:
        start_s = time.perf_counter()
        super().save(*given, **more)
        self.held_s.append(time.perf_counter() - start_s)

    def wait_copied(self) -> None:
        start_s = time.perf_counter()
        super().wait_copied()
        if self.held_s:
            self.held_s[-1] += time.perf_counter() - start_s


def main() -> None:
    """Train and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=CASES, default="12m")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--every", type=int, default=5)
    given = parser.parse_args()
    case = CASES[given.case]
    model = build_model(model_config(case), "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    step = TimedStep(model, build_optimizer(model, OptimizerConfig()), "bf16", 1.0, CPU, compiled=True)
    step.seconds = []
    ended_s: list[float] = []
    with tempfile.TemporaryDirectory() as name, kept_memory():
        folder = Path(name)
        for file in TOKENIZER_FILES:
            (folder / file).write_text("{}")
        shards = made_up_shards(folder / "encode", case.vocab)
        order = Order("pretrain", Checkpoint.kind, folder, TrainConfig(), 0)
        store = TimedStore(folder / "checkpoints", order, model.config, folder, Keeping(given.every, keep=2))
        store.held_s = []
        train(
            steps=given.steps,
            train_step=step,
            batches=BatchReader(
                shards,
                objective_of(case),
                seed=0,
                batch_sequences=case.rows,
                micro_batch=max(1, min(case.rows, 2048 // case.length)),
                document_mask=True,
            ),
            learning_rate=lambda _: 1e-4,
            checkpoints=store,
            metrics=MetricsLog(folder / "metrics.jsonl", Efficiency(lambda _: 1, lambda _: 1.0, 1.0), PeakMemory(CPU)),
            healing=HealingConfig(),
            hooks=[lambda _: ended_s.append(time.perf_counter())],
        )
        size = sum(file.stat().st_size for file in next((folder / "checkpoints").glob("step-*")).iterdir())
    wall = [later - earlier for earlier, later in pairwise(ended_s)][WARM_UP:]
    loop = [whole - own for whole, own in zip(wall, step.seconds[WARM_UP + 1 :], strict=True)]
    step_s, loop_s, hold_s = (statistics.median(times) for times in (wall, loop, store.held_s[1:-1]))
    print(f"a step {step_s * 1e3:,.1f} ms, the loop {loop_s * 1e3:.2f} ms of it; of all steps together {sum(loop) / sum(wall):.2%}")
    print(f"a checkpoint of {size / 1e6:,.0f} MB holds a step for {hold_s * 1e3:.2f} ms: {hold_s / step_s:.2%}")


if __name__ == "__main__":
    main()
