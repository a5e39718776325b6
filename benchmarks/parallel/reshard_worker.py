"""One rank of the reshard matrix: train and save on each layout, or go on from what others saved (see reshard.py).

    torchrun --nproc-per-node N reshard_worker.py save --folder DIR --layouts 'ddp 2,zero3 2'
    torchrun --nproc-per-node N reshard_worker.py go_on --folder DIR --layouts 'ddp 2,zero3 2' --sources 'one,zero3 2'

Rank 0 prints one JSON object a cell.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from modes import MODES, TASKS, TaskName
from worker import CLIP_NORM, RATE, batches, build, gathered_weights

from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.core.config import Config
from groundup.nn.transformer import Transformer
from groundup.train.checkpoint import CheckpointStore
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.keeping import Keeping
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.state import RunState
from groundup.train.step import TrainStep

TASK: TaskName = "causal"
STEPS, ACCUMULATE = 5, 3
"""Steps before the checkpoint, and again after it; micro-batches of a step."""
ONE = Layout(precision="fp32")
DTYPE = torch.float64


def layout_of(name: str) -> Layout:
    """Return the layout of this name."""
    return ONE if name == "one" else MODES[name].model_copy(update={"precision": "fp32"})


@dataclass(frozen=True)
class Subject:
    """A small run on one layout."""

    model: Transformer
    run: RunState
    step: TrainStep
    ranks: Ranks
    place: tuple[int, int]
    """How many ranks read different text, and which of them this is."""

    @classmethod
    def on(cls, layout: Layout, seed: int) -> "Subject":
        """Return a run of first weights of its own; all ranks call this together."""
        team = None if layout.world_size == 1 else Team.of(layout, "fp32")
        model = build(TASK, DTYPE)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(seed)  # what a checkpoint does not put back stays wrong
        model = team.arrange(model) if team else model
        ranks: Ranks = team or ALONE
        optimizer = build_optimizer(model, OptimizerConfig())
        step = TrainStep(model, optimizer, "fp32", CLIP_NORM, torch.device("cpu"), z_weight=1e-4, ranks=ranks)
        run = RunState(model, optimizer, Healing(HealingConfig()), place=ranks.place)
        return cls(model, run, step, ranks, (layout.dp, team.mesh.data_rank if team else 0))

    def train(self, steps: int, before_update: Callable[[], None] = lambda: None) -> list[float]:
        """Take steps from where the run is; return their losses."""
        losses = []
        for number in range(self.run.step, self.run.step + steps):
            result = self.step.gradient(batches(TASK, number, *self.place, ACCUMULATE))
            before_update()
            self.step.update(RATE)
            self.run.take(result, tokens=result.targets)
            losses.append(result.loss)
        return losses

    def store(self, folder: Path) -> CheckpointStore:
        """Return the checkpoints in the folder."""
        order = Order("pretrain", Checkpoint.kind, folder, Config(), seed=0)
        return CheckpointStore(folder, order, TASKS[TASK].model, folder.parent / "tokenizer", Keeping(STEPS, 1), ranks=self.ranks)


def save(name: str, folder: Path) -> None:
    """Train and save on this layout."""
    subject = Subject.on(layout_of(name), seed=0)
    subject.train(STEPS)
    store = subject.store(folder / name.replace(" ", "-"))
    with store.opened():
        store.save(subject.run, before=lambda: None)


@cache
def expected() -> tuple[list[float], dict[str, torch.Tensor]]:
    """Return the losses after the checkpoint, and the last weights, of one process that was not interrupted."""
    subject = Subject.on(ONE, seed=0)
    return subject.train(2 * STEPS)[STEPS:], {name: weight.detach() for name, weight in subject.run.weights().items()}


def go_on(name: str, source: str, folder: Path) -> dict[str, Any]:
    """Go on from what `source` saved; return, on the first rank, how far that is from the run that was not interrupted."""
    subject = Subject.on(layout_of(name), seed=1)
    subject.store(folder / source.replace(" ", "-")).restore(subject.run)
    assert subject.run.step == STEPS, f"{source} saved no whole checkpoint"
    losses = subject.train(STEPS)
    weights = subject.run.weights() if subject.ranks is ALONE else gathered_weights(subject.model)
    if not subject.ranks.is_first:
        return {}
    expected_losses, expected_weights = expected()
    return {
        "loss": max(abs(loss - other) for loss, other in zip(losses, expected_losses, strict=True)),
        "weights": max(float((weights[key].detach() - weight).abs().max()) for key, weight in expected_weights.items()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Save, or go on and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("save", "go_on"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--layouts", required=True)
    parser.add_argument("--sources", default="")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    world = launched()
    with joined(world) if world else contextlib.nullcontext():
        for name in given.layouts.split(","):
            if given.verb == "save":
                save(name, given.folder)
                continue
            for source in given.sources.split(","):
                cell = {"saved": source, "loaded": name, **go_on(name, source, given.folder)}
                if world is None or world.rank == 0:
                    sys.stdout.write(json.dumps(cell) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
