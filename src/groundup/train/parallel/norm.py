"""The norm of a gradient that lies on many ranks."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.placement_types import Partial

from groundup.train.parallel.collectives import sum_in_place


def global_norm(gradients: Sequence[Tensor], stages: dist.ProcessGroup) -> Tensor:
    """Return the norm of all gradients together: of shards each once, of copies one, of the stages of a pipeline all.

    Every rank gets the same number. `gradients` are this rank's: DTensors where it holds a part.
    """
    squares: dict[tuple[dist.ProcessGroup, ...], Tensor] = {}
    for gradient in gradients:
        groups = _groups_of_parts(gradient)
        own = _local(gradient)
        square = torch.linalg.vector_norm(own, dtype=torch.promote_types(own.dtype, torch.float32)).square()
        squares[groups] = squares[groups] + square if groups in squares else square
    whole = torch.zeros(())
    for groups, square in squares.items():
        for group in groups:
            sum_in_place(square, group)
        whole = whole + square
    sum_in_place(whole, stages)
    return whole.sqrt()


def _groups_of_parts(gradient: Tensor) -> tuple[dist.ProcessGroup, ...]:
    """Return the groups along which ranks hold different parts of the gradient."""
    if not isinstance(gradient, DTensor):
        return ()
    assert not any(isinstance(placement, Partial) for placement in gradient.placements), "gradients are summed before"
    mesh = gradient.device_mesh
    return tuple(mesh.get_group(axis) for axis, placement in enumerate(gradient.placements) if not placement.is_replicate())


def _local(tensor: Tensor) -> Tensor:
    local: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local
