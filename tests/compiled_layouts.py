"""One rank of compiled steps on several layouts (see tests/train/parallel/test_compiled_layouts.py): a JSON object a case."""

import itertools
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
import worker
from modes import MODES

from groundup.train.config import Recompute
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import TrainStep

LAYOUTS = ("ddp 2", "zero1 2", "zero3 2", "context 2", "pp 2 1f1b", "tp 2")
RECOMPUTES: tuple[Recompute, ...] = ("none", "selective", "full")
STEPS = 3


def losses(name: str, compiled: bool, recompute: Recompute) -> list[float]:
    """Return the losses of a few steps in a layout; 'one': each process by itself."""
    model = worker.build("causal", torch.float32)
    ranks: Ranks = ALONE
    place = (1, 0)
    if name != "one":
        layout = MODES[name].model_copy(update={"precision": "fp32"})
        team = Team.of(layout, "fp32")
        model, ranks, place = team.arrange(model), team, (layout.dp, team.mesh.data_rank)
    optimizer = build_optimizer(model, OptimizerConfig())
    step = TrainStep(model, optimizer, "fp32", 0.5, torch.device("cpu"), compiled=compiled, recompute=recompute, ranks=ranks)
    return [step(worker.batches("causal", number, *place, 2), 1e-3).loss for number in range(STEPS)]


def main() -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        expected = losses("one", False, "none")
        for name, recompute in itertools.product(LAYOUTS, RECOMPUTES):
            found = losses(name, True, recompute)
            row = {"case": f"{name} {recompute}", "loss": max(abs(one - other) for one, other in zip(found, expected, strict=True))}
            if world.rank == 0:
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
