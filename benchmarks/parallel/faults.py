"""One rank of a comparison that must fail: the faults of parallel training that go unnoticed, each planted in turn.

    torchrun --nproc-per-node 2 faults.py

Rank 0 prints one JSON object a fault, as worker.py does; each is to be far from one process.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import GradBucket
from torch.distributed.tensor import DTensor
from worker import compare

from groundup.train.parallel.data import replicas, summed_once
from groundup.train.parallel.data.sharded import Sharded
from groundup.train.parallel.pipeline.shared import SharedWeights
from groundup.train.parallel.team import Team, Together
from groundup.train.parallel.world import joined, launched


@contextlib.contextmanager
def planted(owner: Any, name: str, fault: Callable[..., Any]) -> Iterator[None]:
    """Replace an attribute for a while."""
    right = getattr(owner, name)
    setattr(owner, name, fault)
    try:
        yield
    finally:
        setattr(owner, name, right)


def own_targets(team: Team, number: int) -> int:
    """Take the other ranks to predict as many tokens as this one."""
    return number * team.mesh.layout.dp


def unsummed(group: dist.ProcessGroup, bucket: GradBucket) -> torch.futures.Future[Tensor]:
    """Leave each rank its own gradient."""
    future: torch.futures.Future[Tensor] = torch.futures.Future()
    future.set_result(bucket.buffer())
    return future


def own_norm(team: Team, gradients: Any) -> Tensor:
    """Take this rank's part of the gradient for all of it."""
    norm: Tensor = torch.stack([gradient.to_local().norm() for gradient in gradients]).norm()
    return norm


_passes = Together.__call__


def one_less(passes: Together, micro_batches: Any, targets: int, scale: float | None) -> Tensor:
    """Leave the last micro-batch out."""
    return _passes(passes, micro_batches[:-1], targets, scale)


def mean(data: Sharded, is_last: bool) -> Any:
    """Divide the sum by the number of ranks."""
    data._model.set_gradient_divide_factor(2.0)
    data._model.set_requires_gradient_sync(is_last)
    return contextlib.nullcontext()


def unsummed_shares(model: nn.Module) -> None:
    """Take a rank's share of the gradients of weights that all hold whole for the gradients."""
    for parameter in model.parameters():
        if isinstance(parameter, DTensor) and isinstance(parameter.grad, DTensor):
            parameter.grad = DTensor.from_local(parameter.grad.to_local(), parameter.device_mesh, parameter.placements)


FAULTS: Final[dict[str, tuple[str, Any, str, Callable[..., Any]]]] = {
    "each rank divides by its own targets": ("ddp 2", Team, "count", own_targets),
    "gradients are not summed": ("ddp 2", replicas, "_summed", unsummed),
    "a micro-batch is left out": ("ddp 2", Together, "__call__", one_less),
    "gradients are averaged": ("zero3 2", Sharded, "passing", mean),
    "copies of a weight keep the gradients of their stages": ("pp 2 1f1b", SharedWeights, "sum_gradients", lambda *_: None),
    "a weight of two stages counts twice": ("pp 2 1f1b", SharedWeights, "counted", lambda _, gradients: gradients),
    "each rank clips by the norm of its shards": ("zero3 2", Team, "norm", own_norm),
    "norms take the gradient of a rank's own part of the sequence": ("tp 2", summed_once, "sum_shares", unsummed_shares),
}


def main() -> None:
    """Plant, compare, print."""
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        for fault, (mode, owner, name, wrong) in FAULTS.items():
            with planted(owner, name, wrong):
                found = compare("masked", mode, 3, torch.float64)
            if world.rank == 0:
                sys.stdout.write(json.dumps({"fault": fault, "mode": mode, "dtype": "float64", **found}) + "\n")


if __name__ == "__main__":
    main()
