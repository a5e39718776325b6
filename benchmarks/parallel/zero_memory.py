"""Measure the bytes of states that each rank holds under ZeRO 0 to 3, beside what the paper counts.

    python benchmarks/parallel/zero_memory.py

A small model is trained for three steps of two micro-batches on 2 and on 4 processes (gloo). Counted is the storage of weights,
masters, gradients and moments, each once, as long as anything keeps it: the most that there is after a micro-batch or before the
update. Prints a Markdown table; ends with 1 if a rank is further than 2 % from the law (Rajbhandari et al. 2020, section 5).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from equality import launch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.multiprocessing.reductions import StorageWeakRef

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.step import TrainStep

WITHIN = 0.02
MODEL = ModelConfig.parse(
    {
        "vocab_size": 512,
        "dim": 64,
        "num_layers": 4,
        "num_heads": 4,
        "num_kv_heads": 4,
        "ffn_dim": 256,
        "max_seq_len": 32,
        "tie_embeddings": False,
    },
    "model",
)
"""Every dim divides by 4."""
LAWS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "bf16_weights, gradients bf16": ((16, 0), (4, 12), (2, 14), (0, 16)),
    "bf16_weights, gradients fp32": ((18, 0), (6, 12), (2, 16), (0, 16)),
    "fp32": ((16, 0), (8, 8), (4, 12), (0, 16)),
}
"""For zero = 0 to 3: bytes a parameter that each rank has, and bytes that are shared out."""


def law(kind: str, zero: int, shards: int) -> float:
    """Return the bytes a parameter on each rank."""
    each, shared = LAWS[kind][zero]
    return each + shared / shards


def layouts(size: int) -> Iterator[tuple[str, Layout]]:
    """Yield what is measured on so many ranks: all stages of all kinds, and all factors of sharding."""
    yield from stages(size)
    for factor in (factor for factor in range(1, size) if size % factor == 0):
        yield "fp32", Layout(dp=size, zero=3, sharding_factor=factor, precision="fp32")


def stages(size: int) -> Iterator[tuple[str, Layout]]:
    """Yield each kind with zero = 0 to 3."""
    for kind in LAWS:
        precision = kind.split(",")[0]
        for zero in range(4):
            gradients = "bf16" if kind.endswith("bf16") and zero < 3 else "fp32"
            yield kind, Layout.parse({"dp": size, "zero": zero, "precision": precision, "gradients": gradients}, kind)


class Watched(list[Batch]):
    """Micro-batches that note, as the next is asked for, what is held after the one before."""

    def __init__(self, batches: Sequence[Batch], step: TrainStep) -> None:
        super().__init__(batches)
        self.step = step
        self.most = 0
        self._seen: dict[int, tuple[StorageWeakRef, int]] = {}

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            self.note()
            yield batch

    def note(self) -> None:
        """Take what is held now into the most: also storages that no gradient lies in now, but that DDP keeps as its buckets."""
        for storage in map(_storage, held_tensors(self.step)):
            self._seen[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()  # type: ignore[no-untyped-call]
        self._seen = {at: (kept, size) for at, (kept, size) in self._seen.items() if not kept.expired()}  # type: ignore[no-untyped-call]
        self.most = max(self.most, sum(size for _, size in self._seen.values()))


def held_tensors(step: TrainStep) -> Iterator[Tensor]:
    """Yield all tensors of states: of what passes compute with, and of what is updated."""
    for weight in (*step.model.parameters(), *step.loss.model.parameters()):
        yield weight
        if weight.grad is not None:
            yield weight.grad
    for state in step.optimizer.state.values():
        yield from state.values()


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    """Return where this rank's part of a tensor lies."""
    own = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return own.untyped_storage()


def measured(layout: Layout) -> float:
    """Return the bytes of states a parameter that this rank holds."""
    model = build_model(MODEL)
    model.init_weights(torch.Generator().manual_seed(0))
    count = sum(weight.numel() for weight in model.parameters())
    team = Team.of(layout, layout.precision)
    model = team.arrange(model)
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), layout.precision, 1.0, torch.device("cpu"), ranks=team)
    tokens = torch.arange(2 * 32).view(2, 32) % MODEL.vocab_size
    batches = Watched([Batch(Inputs(tokens), tokens.roll(-1, 1))] * 2, step)
    for _ in range(3):
        step.gradient(batches)
        batches.note()
        step.update(1e-3)
    return batches.most / count


def work() -> None:
    """Measure as one rank; the first prints the most of any."""
    world = launched()
    assert world is not None, "started by torchrun"
    torch.set_num_threads(1)
    with joined(world):
        for kind, layout in layouts(world.size):
            most = torch.tensor(measured(layout), dtype=torch.float64)
            torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
            row = {"kind": kind, "zero": layout.zero, "ranks": world.size, "shards": layout.shards, "bytes": most.item()}
            if world.rank == 0:
                sys.stdout.write(json.dumps(row) + "\n")


def run(size: int) -> list[dict[str, Any]]:
    """Return what so many processes measure."""
    return launch(size, Path(__file__))


def expected(row: dict[str, Any]) -> float:
    """Return the law of a row."""
    return law(row["kind"], row["zero"], row["shards"])


def is_lawful(row: dict[str, Any]) -> bool:
    """Return whether a row is as near to the law as it is to be."""
    measured_bytes: float = row["bytes"]
    return abs(measured_bytes / expected(row) - 1) <= WITHIN


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows in Markdown."""
    lines = ["| weights and gradients | zero | ranks | shards | law [B] | measured [B] | off by |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row["kind"], row["zero"], row["ranks"], row["shards"], f"{expected(row):g}", f"{row['bytes']:.3f}"]
        off = f"{row['bytes'] / expected(row) - 1:+.2%}"
        lines.append("| " + " | ".join(map(str, [*cells, off])) + " |")
    return "\n".join(lines)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the laws from 1 to 512 ranks that share, what was measured as dots, and what was simulated as rings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(LAWS), figsize=(12, 3.6), sharey=True, layout="constrained")
    shards = [2**power for power in range(10)]
    for panel, kind in zip(panels, LAWS, strict=True):
        for zero in range(4):
            (line,) = panel.plot(shards, [law(kind, zero, count) for count in shards], label=f"zero={zero}")
            for row in (row for row in rows if (row["kind"], row["zero"]) == (kind, zero)):
                fill = {"markerfacecolor": "none"} if row.get("simulated") else {}
                count = row["shards"] if zero == 3 else row["ranks"]
                panel.plot(count, row["bytes"], "o", color=line.get_color(), **fill)
        panel.set(title=kind, xlabel="ranks that share", xscale="log", ylim=(0, 19))
        panel.set_xticks(shards, [str(count) for count in shards])
    panels[0].set_ylabel("states on each rank [B a parameter]")
    panels[-1].legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.83))  # below the line of zero=0
    figure.savefig(path)


def main() -> None:
    """Measure, print, and say by the exit code whether the law holds."""
    if launched() is not None:
        return work()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    rows = [row for size in (2, 4) for row in run(size)]
    sys.stdout.write(table(rows) + "\n")
    sys.exit(0 if all(map(is_lawful, rows)) else 1)


if __name__ == "__main__":
    main()
