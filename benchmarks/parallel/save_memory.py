"""Measure the memory that first weights, saving and restoring a checkpoint take on each rank, beside what the rank holds.

    torchrun --nproc-per-node N benchmarks/parallel/save_memory.py [--dim 512] [--layers 8]

A model whose weights and optimizer states are shared out (zero=3) is begun, saved and restored. Rank 0 prints a Markdown row a
rank [MiB]: what all ranks hold together, what this one holds, and the rise of the peak of its resident memory while first weights
are drawn, while the first checkpoint is written (the copy that a run goes back to is made in it), while a later one is, and while
one is read.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.distributed as dist
from reshard import write_tokenizer
from torch import Tensor
from torch.distributed.tensor import DTensor

from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.core.config import Config
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Transformer
from groundup.train.checkpoint import CheckpointStore
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.keeping import Keeping
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.first_weights import first_weights
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined, launched
from groundup.train.state import RunState

MIB = 1 << 20
_RESET_PEAK = "5"
"""Written to clear_refs, it makes the peak what is resident now (Linux, proc(5))."""


def resident(key: str) -> float:
    """Return a line of this process' status [MiB]: VmRSS, or VmHWM for its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def rise(action: Callable[[], None]) -> float:
    """Return by how much the peak of the resident memory is above what was resident before the action."""
    dist.barrier()
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    before = resident("VmRSS")
    action()
    return resident("VmHWM") - before


def held(tensors: dict[str, Tensor]) -> tuple[float, float]:
    """Return the size of the tensors of all ranks together, and of this one's parts."""
    own = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors.values()]
    return _size(tensors.values()), _size(own)


def _size(tensors: Iterable[Tensor]) -> float:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MIB


def described(dim: int, layers: int) -> ModelConfig:
    """Return a model of these sizes."""
    sizes = {"vocab_size": 8192, "dim": dim, "num_layers": layers, "num_heads": 8, "num_kv_heads": 8, "ffn_dim": 4 * dim}
    return ModelConfig.parse({**sizes, "max_seq_len": 64}, "model")


def begun(config: ModelConfig, team: Team) -> tuple[Transformer, float]:
    """Return the model with its first weights, and the rise of the peak while they were drawn."""
    models: list[Transformer] = []
    generator = torch.Generator().manual_seed(0)
    more = rise(lambda: models.append(first_weights(config, "sdpa", generator, team.arrange, torch.device("cpu"))))
    return models[0], more


def measure(folder: Path, dim: int, layers: int, ranks: int) -> list[float]:
    """Return the columns of this rank's row."""
    config = described(dim, layers)
    team = Team.of(Layout(dp=ranks, zero=3, precision="fp32"), "fp32")
    model, drawn = begun(config, team)
    optimizer = build_optimizer(model, OptimizerConfig())
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    optimizer.zero_grad()
    run = RunState(model, optimizer, Healing(HealingConfig()), place=team.place)
    store = CheckpointStore(
        folder / "checkpoints",
        Order("pretrain", Checkpoint.kind, folder, Config(), seed=0),
        config,
        folder / "tokenizer",
        Keeping(every=1, keep=1),
        ranks=team,
    )

    def save() -> None:
        run.step += 1
        store.save(run, before=lambda: None)
        store.wait()

    with store.opened():
        columns = [*held(run.weights() | run.tensors()), drawn, rise(save), rise(save)]
    return [*columns, rise(lambda: store.restore(run))]


def main() -> None:
    """Measure, gather, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        names = [tempfile.mkdtemp() if world.rank == 0 else ""]
        dist.broadcast_object_list(names)
        folder = Path(names[0])
        if world.rank == 0:
            write_tokenizer(folder)
        dist.barrier()
        rows: list[list[float]] = [[] for _ in range(world.size)]
        dist.all_gather_object(rows, measure(folder, given.dim, given.layers, world.size))
        if world.rank == 0:
            columns = ("rank", "all ranks hold", "this rank", "first weights", "first save", "later save", "restore")
            head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
            body = "".join(f"| {rank} | {' | '.join(f'{x:.0f}' for x in row)} |\n" for rank, row in enumerate(rows))
            sys.stdout.write(head + body)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
