"""A rank of a run that is looked at: rank 1 computes longer, and the others wait for it (see train/hooks/test_sharing.py)."""

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


def main(out: Path, zero: int) -> None:
    world = launched()
    assert world is not None
    with joined(world):
        torch.set_num_threads(1)
        team = Team.of(Layout(dp=world.size, zero=zero, precision="fp32"), "fp32")
        model = team.arrange(build_model(ModelConfig.model_validate(SIZES)))
        step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "fp32", 1.0, torch.device("cpu"), ranks=team)
        hook = Sharing(step, out, lambda: 1000 + world.rank, 1e9)
        tokens = torch.zeros(2, 64, dtype=torch.long)
        for number in range(1, FROM_STEP + STEPS + 2):
            if world.rank == 1:
                sleep(0.5)
            step([Batch(Inputs(tokens), tokens)], 1e-3)
            hook({"step": number})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
