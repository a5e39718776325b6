"""Measure islands that train apart beside ranks that train together: held-out loss, and bytes that go over the wire.

    torchrun --nproc-per-node 2 local_sgd.py TEXT.txt [--steps 300]

Trains a small decoder on the bytes of a text file, each layout from the same weights on the same batches, and prints a Markdown
table. Bytes are those that the loopback interface sent, over the steps: nothing else is to run beside it.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.train.batch import Batch
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.step import TrainStep

ROWS, SEQ_LEN, RATE, WARM_UP, HELD_OUT = 32, 128, 2e-3, 30, 64
SENT = Path("/sys/class/net/lo/statistics/tx_bytes")
LAYOUTS: dict[str, dict[str, Any]] = {
    "DDP": {},
    "DiLoCo, every 10 steps": {"local_sgd": {"islands": 2, "inner_steps": 10}},
    "DiLoCo, every 50 steps": {"local_sgd": {"islands": 2, "inner_steps": 50}},
    "averaging, every 50 steps": {"local_sgd": {"islands": 2, "inner_steps": 50, "outer_rate": 1.0, "outer_momentum": 0.0}},
}


def build() -> Transformer:
    """Return the model with its first weights."""
    sizes = {
        "vocab_size": 256,
        "dim": 128,
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 4,
        "ffn_dim": 384,
        "max_seq_len": SEQ_LEN,
    }
    model = build_model(ModelConfig.parse(sizes, "model"))
    model.init_weights(torch.Generator().manual_seed(0))
    return model


def rows(text: np.ndarray[Any, Any], seed: int, count: int) -> Batch:
    """Return windows of the text that begin at random places."""
    starts = np.random.default_rng(seed).integers(0, len(text) - SEQ_LEN - 1, count)
    windows = torch.from_numpy(np.stack([text[start : start + SEQ_LEN + 1] for start in starts]).astype(np.int64))
    return Batch(Inputs(windows[:, :-1]), windows[:, 1:])


def part(batch: Batch, ranks: int, rank: int) -> Batch:
    """Return one rank's rows."""
    own = slice(rank * ROWS // ranks, (rank + 1) * ROWS // ranks)
    return Batch(Inputs(batch.inputs.tokens[own]), batch.targets[own])


def run(settings: dict[str, Any], text: np.ndarray[Any, Any], held_out: Batch, steps: int) -> dict[str, float]:
    """Train; return loss on held-out text [nats a byte], bytes sent a step and rank, and seconds a step."""
    ranks = dist.get_world_size()
    team = Team.of(Layout.parse({"dp": ranks, "precision": "fp32", **settings}, "parallel"), "fp32")
    model = team.arrange(build())
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "fp32", 1.0, torch.device("cpu"), ranks=team)
    dist.barrier()
    sent, start_s = int(SENT.read_text()), time.perf_counter()
    for number in range(1, steps + 1):
        rate = RATE * min(number / WARM_UP, 1.0) * min((steps + 1 - number) / (steps / 5), 1.0)
        step([part(rows(text, number, ROWS), ranks, team.mesh.data_rank)], rate)
        team.after_update(number, number == steps)
    dist.barrier()
    sent, elapsed_s = int(SENT.read_text()) - sent, time.perf_counter() - start_s
    with torch.no_grad():
        loss, _ = step.loss(held_out)
    return {"loss": float(loss) / held_out.targets.numel(), "bytes": sent / steps / ranks, "seconds": elapsed_s / steps}


def main() -> None:
    """Train in each layout, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    text = np.fromfile(given.text, np.uint8)
    cut = len(text) * 9 // 10
    with joined(world):
        if world.rank == 0:
            sys.stdout.write(
                "| layout | held-out loss [nats a byte] | bytes sent a step and rank | s a step |\n|---|---|---|---|\n"
            )
        for name, settings in LAYOUTS.items():
            found = run(settings, text[:cut], rows(text[cut:], 0, HELD_OUT), given.steps)
            if world.rank == 0:
                sys.stdout.write(f"| {name} | {found['loss']:.4f} | {found['bytes']:,.0f} | {found['seconds']:.3f} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
