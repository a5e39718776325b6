"""Time steps of one process, of two replicas (DDP) and of two ranks that share weights (FSDP), on the two cores of a machine.

    python benchmarks/parallel/pinned_speed.py [--model small,medium] [--rounds 3] [--steps 4] [--profile]

Each process is pinned to a core of its own, and one process has the whole batch on one core. Rounds of the three alternate, so that
what else the machine does meets all alike; told are medians. `--profile` adds where the first rank's time goes in one more step,
in seconds: matrix products and attention, copies, other operations, waiting for the other rank or its data with nothing to compute,
and what is left (Python). Nothing else may run beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.hooks.sharing import share_of
from groundup.train.memory import kept_memory
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import TrainStep

_SIZES: Final[dict[str, dict[str, int]]] = {
    "tiny": {"vocab_size": 256, "dim": 64, "num_layers": 2, "num_heads": 4, "num_kv_heads": 4, "ffn_dim": 128},
    "small": {"vocab_size": 8192, "dim": 320, "num_layers": 8, "num_heads": 5, "num_kv_heads": 5, "ffn_dim": 896},
    "medium": {"vocab_size": 16384, "dim": 576, "num_layers": 10, "num_heads": 9, "num_kv_heads": 9, "ffn_dim": 1536},
}
"""About 12 and 50 million parameters; 'tiny' shows that the benchmark runs."""
WAYS: Final[dict[str, Layout | None]] = {
    "one process": None,
    "DDP 2": Layout(dp=2),
    "FSDP 2": Layout(dp=2, zero=3),
    "FSDP 2, kept": Layout(dp=2, zero=3, reshard_after_forward=False),
    "ZeRO-2 2": Layout(dp=2, zero=2),
}
BOUNDS: Final = {"DDP 2": 1.7, "FSDP 2": 1.4}
"""Times the speed of one process that they are to reach."""
_PRODUCTS: Final = ("aten::mm", "aten::addmm", "aten::bmm", "aten::_scaled_dot_product")
_COPIES: Final = ("aten::copy_", "aten::cat", "aten::_to_copy", "aten::split_with_sizes_copy", "fsdp::")
PARTS: Final = ("products", "copies", "other operations", "waiting", "beside")


def batch(sequences: int, length: int, vocab: int) -> list[Batch]:
    """Return one micro-batch."""
    tokens = torch.randint(vocab, (sequences, length), generator=torch.Generator().manual_seed(0))
    return [Batch(Inputs(tokens), tokens.roll(-1, 1))]


def steps_s(layout: Layout | None, given: argparse.Namespace) -> tuple[list[float], dict[str, float]]:
    """Return the seconds of each step, and what those of a profiled one go to."""
    config = ModelConfig.parse({**_SIZES[given.model], "max_seq_len": given.length}, "model")
    model = build_model(config)
    model.init_weights(torch.Generator().manual_seed(0))
    ranks: Ranks = ALONE
    if layout is not None:
        team = Team.of(layout, layout.precision)
        model, ranks = team.arrange(model), team
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "bf16", 1.0, torch.device("cpu"), ranks=ranks)
    own = batch(given.sequences // ranks.size, given.length, config.vocab_size)
    took = []
    with kept_memory():
        for _ in range(given.steps + 1):
            begun_s = time.perf_counter()
            step(own, 1e-3)
            took.append(time.perf_counter() - begun_s)
        return took[1:], _parts(step, own) if given.profile else {}


def _parts(step: TrainStep, own: list[Batch]) -> dict[str, float]:
    """Return what the seconds of a step go to, by PARTS."""
    begun_s = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as found:
        step(own, 1e-3)
        whole_s = time.perf_counter() - begun_s
    share = share_of(found.events(), whole_s, 1, 1.0, {}, 0)
    parts = dict.fromkeys(PARTS, 0.0)
    for event in found.key_averages():
        if event.key.startswith(("aten::", "fsdp::")):
            is_product, is_copy = event.key.startswith(_PRODUCTS), event.key.startswith(_COPIES)
            part = "products" if is_product else "copies" if is_copy else "other operations"
            parts[part] += event.self_cpu_time_total / 1e6
    return parts | {"waiting": share.exposed * whole_s, "beside": share.beside * whole_s}


def work(given: argparse.Namespace) -> None:
    """Time as one rank, pinned to its core; the first prints."""
    torch.set_num_threads(1)
    layout, world = WAYS[given.way], launched()
    rank = world.rank if world else 0
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    if world is None:
        found = steps_s(layout, given)
    else:
        with joined(world):
            found = steps_s(layout, given)
    if rank == 0:
        sys.stdout.write(json.dumps({"steps_s": found[0], "parts": found[1]}) + "\n")


def run(way: str, model: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what a way takes in processes of its own."""
    own = [__file__, "--way", way, "--model", model, "--steps", str(given.steps), *(["--profile"] if given.profile else [])]
    own += ["--sequences", str(given.sequences), "--length", str(given.length)]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command = [sys.executable, *(launcher if WAYS[way] is not None else []), *own]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode:
        raise SystemExit(f"{way} ended with {done.returncode}:\n{done.stderr[-6000:]}")
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


def compare(model: str, given: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of a table of one model."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    parts: dict[str, dict[str, float]] = {}
    for _ in range(given.rounds):
        for way in WAYS:
            found = run(way, model, given)
            taken[way] += found["steps_s"]
            parts[way] = found["parts"]
    alone_s = statistics.median(taken["one process"])
    for way, times_s in taken.items():
        median_s = statistics.median(times_s)
        told = " | ".join(f"{parts[way][name]:.3f}" if given.profile else "" for name in PARTS)
        asked = f">= {BOUNDS[way]}" if way in BOUNDS else ""
        spread = f"{min(times_s):.3f} to {max(times_s):.3f}"
        yield f"| {model} | {way} | {median_s:.3f} | {spread} | {alone_s / median_s:.2f} | {asked} | {told} |"


def main() -> None:
    """Time, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small,medium", help=f"of {', '.join(_SIZES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        work(given)
        return
    heads = ("model", "way", "step [s]", "from, to", "speed", "asked", *PARTS)
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    sys.stdout.write("\n".join(lines) + "\n")
    for model in given.model.split(","):
        for line in compare(model, given):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
