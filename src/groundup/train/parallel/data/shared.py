"""Weights that ranks hold whole and update in parts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundup.nn.block import Block, ReadingBlock
from groundup.train.parallel.collectives import sum_in_place
from groundup.train.parallel.data.buckets import MOST_ELEMENTS, Bucket
from groundup.train.parallel.data.shards import alike, local, sharded
from groundup.train.parallel.mesh import Mesh


@dataclass(eq=False)
class Shared:
    """Weights whose parts are sent together."""

    bucket: Bucket
    wholes: list[nn.Parameter]
    """What passes compute with."""
    masters: list[nn.Parameter]
    """What this rank updates: its rows, as DTensors."""
    ready: set[int] = field(default_factory=set)
    """Which of them the backward pass has left a gradient of."""
    gradient: Tensor | None = None
    """Of this rank's rows, summed: [width]."""

    @property
    def is_ready(self) -> bool:
        return len(self.ready) == len(self.wholes)

    @property
    def has_gradients(self) -> bool:
        """Whether there are gradients of whole weights."""
        return any(whole.grad is not None for whole in self.wholes)

    @property
    def sum_dtype(self) -> torch.dtype:
        """What gradients are summed in over ranks."""
        return torch.promote_types(self.wholes[0].dtype, torch.float32)

    def taken_gradients(self) -> Tensor:
        """Return the gradients of the whole weights, [ranks * width], and forget them."""
        gradients = [None if whole.grad is None else local(whole.grad) for whole in self.wholes]
        flat = self.bucket.packed(gradients, self.sum_dtype, local(self.wholes[0]).device)
        for whole in self.wholes:
            whole.grad = None
        self.ready.clear()
        return flat

    def add(self, row: Tensor, held: torch.dtype | None) -> None:
        """Add to the gradient of this rank's rows, which is held in `held`, or as it was summed."""
        if self.gradient is None:
            self.gradient = row.to(held or row.dtype)
        else:
            self.gradient.add_(row)

    def sum_gradient(self, copies: dist.ProcessGroup, peers: dist.ProcessGroup) -> None:
        """Sum it over other copies of the rows, and of weights that tensor-parallel ranks hold whole over these, its peers."""
        if copies.size() == peers.size() == 1:
            return
        assert self.gradient is not None, "called when it is there"
        wide = self.gradient.to(self.sum_dtype)
        sum_in_place(wide, copies)
        parts = zip(self.bucket.parts(wide), self.wholes, strict=True)
        shares = [part for part, whole in parts if isinstance(whole, DTensor) and whole.placements[0].is_replicate()]
        if shares:
            summed = torch.cat([share.reshape(-1) for share in shares])
            sum_in_place(summed, peers)
            for share, values in zip(shares, torch.split(summed, [share.numel() for share in shares]), strict=True):
                share.copy_(values.view_as(share))
        if wide is not self.gradient:
            self.gradient.copy_(wide)

    def give_gradients(self) -> None:
        """Let the masters have the gradient."""
        assert self.gradient is not None, "called when it is there"
        for master, part in zip(self.masters, self.bucket.parts(self.gradient), strict=True):
            assert isinstance(master, DTensor), "made so"
            master.grad_dtype = None  # any
            master.grad = alike(part.to(local(master).device), master)
        self.gradient = None

    def row(self) -> Tensor:
        """Return this rank's rows in the precision of the whole weights: [width]."""
        whole = local(self.wholes[0])
        return self.bucket.row([local(master.detach()) for master in self.masters], whole.dtype, whole.device)

    def take(self, flat: Tensor) -> None:
        """Let the whole weights be those of all ranks' rows, [ranks * width]."""
        self.bucket.unpack(flat, [local(whole.detach()) for whole in self.wholes])


def share(model: nn.Module, mesh: Mesh, narrow: torch.dtype | None) -> list[Shared]:
    """Put this rank's rows in the place of the model's trained weights; return them with the whole weights, last block first.

    `narrow`: what the whole weights are held in, if it is not what is updated. On the device 'meta' all are made without numbers.
    """
    all_shared: list[Shared] = []
    masters: dict[nn.Parameter, nn.Parameter] = {}
    for weights in _bucketed(model):
        shapes = [local(weight).shape for weight in weights]
        bucket = Bucket(shapes, mesh.gradients.size(1), mesh.gradients.get_local_rank("shard"))
        pairs = [_pair(bucket, number, weight, mesh, narrow) for number, weight in enumerate(weights)]
        all_shared.append(Shared(bucket, [whole for whole, _ in pairs], [master for _, master in pairs]))
        masters.update(zip(weights, all_shared[-1].masters, strict=True))
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if weight in masters:
                module.register_parameter(name, masters[weight])
    return all_shared


def _pair(
    bucket: Bucket, number: int, weight: nn.Parameter, mesh: Mesh, narrow: torch.dtype | None
) -> tuple[nn.Parameter, nn.Parameter]:
    """Return a weight whole, and this rank's rows of it as a parameter of all ranks."""
    device = torch.device(mesh.states.device_type)
    on_host = mesh.layout.offload == "optimizer"
    if narrow is None and not on_host:
        whole = nn.Parameter(torch.empty_like(weight, device=device)) if weight.is_meta else weight
        own = bucket.own(local(whole.detach()), number)
    else:
        whole = nn.Parameter(torch.empty_like(weight, dtype=narrow, device=device))
        own = bucket.own(local(weight.detach()), number)
        host = torch.device("cpu") if on_host else device
        own = torch.empty_like(own, device=host) if weight.is_meta else own.to(host, copy=True)
    return whole, nn.Parameter(sharded(own, weight, mesh))


def _bucketed(model: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Yield the trained weights in the order in which gradients come, about: those of a block together, unless they are many."""
    unit_of = {
        weight: number
        for number, block in enumerate(module for module in model.modules() if isinstance(module, (Block, ReadingBlock)))
        for weight in block.parameters()
    }
    bucket: list[nn.Parameter] = []
    for weight in reversed([weight for weight in model.parameters() if weight.requires_grad]):
        is_full = sum(other.numel() for other in bucket) + weight.numel() > MOST_ELEMENTS
        if bucket and (is_full or unit_of.get(weight) != unit_of.get(bucket[-1])):
            yield bucket
            bucket = []
        bucket.append(weight)
    if bucket:
        yield bucket
