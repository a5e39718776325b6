"""What tensor-parallel ranks hand each other: parts of sequences for whole ones, and sums."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed import _functional_collectives as functional
from torch.distributed.device_mesh import DeviceMesh

_SEQUENCE = 1


@dataclass(frozen=True)
class Peers:
    """The ranks that share each matrix; between products each has a part of the sequence (Korthikanti et al. 2022, section 4.2).

    `gather` and `scatter_sum` are each other's gradient.
    """

    mesh: DeviceMesh

    @property
    def group(self) -> dist.ProcessGroup:
        return self.mesh.get_group()

    @property
    def size(self) -> int:
        return self.mesh.size()

    @property
    def rank(self) -> int:
        """Which part is this rank's."""
        return self.mesh.get_local_rank()

    def own(self, whole: Tensor) -> Tensor:
        """Return this rank's part of what all ranks have alike: [batch, seq, ...]."""
        length = whole.shape[_SEQUENCE] // self.size
        return whole.narrow(_SEQUENCE, self.rank * length, length)

    def gather(self, part: Tensor) -> Tensor:
        """Return the whole sequence; its gradient, of which each rank has a share, is summed."""
        gathered: Tensor = _Gather.apply(part, self.group)  # type: ignore[no-untyped-call]
        return gathered

    def scatter_sum(self, share: Tensor) -> Tensor:
        """Return this rank's part of the sum of what each rank has a share of."""
        part: Tensor = _ScatterSum.apply(share, self.group)  # type: ignore[no-untyped-call]
        return part

    def join(self, part: Tensor, length: int) -> Tensor:
        """Return what ranks have of the last dim, of which the last one may have less; the gradient is that of all ranks alike."""
        joined: Tensor = _Join.apply(part, self, length)  # type: ignore[no-untyped-call]
        return joined


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, peers: Peers, length: int) -> Tensor:
        width = -(-length // peers.size)
        ctx.own = slice(peers.rank * width, peers.rank * width + part.shape[-1])
        even = F.pad(part, (0, width - part.shape[-1])).movedim(-1, _SEQUENCE)
        return _gathered(even, peers.group).movedim(_SEQUENCE, -1)[..., :length]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[..., ctx.own], None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        return _gathered(part, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _scattered(gradient, ctx.group), None


class _ScatterSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, share: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        return _scattered(share, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _gathered(gradient, ctx.group), None


def _gathered(part: Tensor, group: dist.ProcessGroup) -> Tensor:
    whole = functional.all_gather_single(part.contiguous(), _SEQUENCE, group)
    gathered: Tensor = functional.wait_tensor(whole)  # type: ignore[no-untyped-call]
    return gathered


def _scattered(share: Tensor, group: dist.ProcessGroup) -> Tensor:
    summed = functional.reduce_scatter_single(share.contiguous(), "sum", _SEQUENCE, group)
    part: Tensor = functional.wait_tensor(summed)  # type: ignore[no-untyped-call]
    return part
