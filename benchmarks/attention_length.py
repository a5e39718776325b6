"""Time and memory of every kind of attention against the length of the text, beside full attention.

    python benchmarks/attention_length.py [--max-length 16384] [--picture FILE.png]

Forward and backward of one causal attention layer (8 heads of 64, batch 1, float32), each point in a fresh process. Memory is the
rise of the process's peak over the process before.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from groundup.nn.attention import ATTENTION
from groundup.nn.config import ModelConfig
from groundup.nn.view import view_itself
from groundup.train.memory import PeakMemory

KINDS = ("full", "full by matmul", "sliding_window", "sparse_strided", "sparse_fixed", "big_bird", "performer")
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
LONGEST = {"full by matmul": 8192}
"""Beyond it the scores alone would fill the memory of a usual machine."""
HEADS, HEAD_DIM, WINDOW = 8, 64, 256
ROUNDS = 3


def settings(kind: str, length: int) -> Mapping[str, object]:
    """Return the settings of a kind: blocks near the square root of the length where the paper asks for it."""
    block = 1 << round(math.log2(length) / 2)
    return {
        "full": {},
        "full by matmul": {},
        "sliding_window": {"window": WINDOW},
        "sparse_strided": {"sparse_block": block},
        "sparse_fixed": {"sparse_block": block, "sparse_summary": 8},
        "big_bird": {"sparse_block": 64, "sparse_global": 1, "sparse_random": 3},
        "performer": {"performer_features": 256},
    }[kind]


def measure(kind: str, length: int) -> dict[str, float]:
    """Return the best time of a pass and the memory it took."""
    attention = kind.split(maxsplit=1)[0]
    config = ModelConfig.model_validate(
        {
            "vocab_size": 2,
            "dim": HEADS * HEAD_DIM,
            "num_layers": 1,
            "num_heads": HEADS,
            "num_kv_heads": HEADS,
            "ffn_dim": 1,
            "max_seq_len": length,
            "attention": attention,
            **settings(kind, length),
        }
    )
    mechanism = ATTENTION[config.attention](config, "matmul" if "matmul" in kind else "sdpa")
    heads = [torch.randn(1, HEADS, length, HEAD_DIM, requires_grad=True) for _ in range(3)]
    memory = PeakMemory(torch.device("cpu"))
    times_s = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        prepared = mechanism.prepare(view_itself(0, length, True, torch.device("cpu")), None, torch.float32)
        mechanism(*heads, prepared).sum().backward()
        times_s.append(time.perf_counter() - start_s)
    return {"seconds": min(times_s), "bytes": memory.bytes() - memory.start_bytes}


def draw(found: dict[tuple[str, int], dict[str, float]], path: Path) -> None:
    """Draw time and memory against the length, both axes logarithmic."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, what, unit in zip(figure.subplots(1, 2), ("seconds", "bytes"), ("seconds", "bytes"), strict=True):
        for kind in KINDS:
            lengths = [length for name, length in found if name == kind]
            axes.loglog(lengths, [found[kind, length][what] for length in lengths], marker="o", label=kind, base=2)
        axes.set_xlabel("length [tokens]")
        axes.set_title(f"{unit} of forward and backward")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure every kind at every length, each in a process of its own, and print (and draw) the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-length", type=int, default=LENGTHS[-1])
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "LENGTH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        sys.stdout.write(json.dumps(measure(given.one[0], int(given.one[1]))))
        return
    lengths = [length for length in LENGTHS if length <= given.max_length]
    found = {}
    for kind in KINDS:
        for length in (length for length in lengths if length <= LONGEST.get(kind, length)):
            words = [sys.executable, __file__, "--one", kind, str(length)]
            found[kind, length] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    for what, scale, unit in (("seconds", 1e3, "ms"), ("bytes", 1e-6, "MB")):
        table = Table("attention", *(f"{length:,}" for length in lengths), title=f"{what} ({unit})")
        for kind in KINDS:
            points = (found.get((kind, length)) for length in lengths)
            table.add_row(kind, *(f"{point[what] * scale:,.0f}" if point else "-" for point in points))
        Console().print(table)
    if given.picture:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
