"""A rank of runs that are looked at: replicas of which rank 1 computes longer, and a pipeline (see train/hooks/test_sharing.py)."""

import sys
from pathlib import Path
from time import sleep

import torch

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.hooks.sharing import FROM_STEP, STEPS, Sharing
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.step import TrainStep

SIZES = {"vocab_size": 64, "dim": 64, "num_layers": 2, "num_heads": 4, "num_kv_heads": 4, "ffn_dim": 128, "max_seq_len": 64}
SHARED = Layout(dp=2, zero=3, precision="fp32")
PIPELINE = Layout(pp=2, precision="fp32")
MICRO_BATCHES = 4


def main(out: Path) -> None:
    world = launched()
    assert world is not None
    with joined(world):
        torch.set_num_threads(1)
        look(SHARED, SIZES, 1, out / "shared", 0.5 * world.rank)
        look(PIPELINE, {**SIZES, "dim": 256, "ffn_dim": 1024, "num_layers": 4}, MICRO_BATCHES, out / "pipeline", 0.0)


def look(layout: Layout, sizes: dict[str, int], micro_batches: int, out: Path, sleep_s: float) -> None:
    """Train a few steps, each after so long a sleep, and look at them."""
    team = Team.of(layout, "fp32")
    model = team.arrange(build_model(ModelConfig.model_validate(sizes)))
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "fp32", 1.0, torch.device("cpu"), ranks=team)
    hook = Sharing(step, team, "in words", out, lambda: 1000 + team.rank, 1e9)
    tokens = torch.zeros(2, 64, dtype=torch.long)
    for number in range(1, FROM_STEP + STEPS + 2):
        sleep(sleep_s)
        step([Batch(Inputs(tokens), tokens)] * micro_batches, 1e-3)
        hook({"step": number})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
