"""The ranks of one run, and its model arranged on them."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.config import RunPrecision
from groundup.train.parallel.collectives import sum_over
from groundup.train.parallel.config import Layout
from groundup.train.parallel.context import ContextParallel
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.table import DATA_PARALLEL
from groundup.train.parallel.local_sgd import OuterStep
from groundup.train.parallel.mesh import Mesh
from groundup.train.parallel.norm import global_norm
from groundup.train.parallel.storage.ranks import ManyRanks
from groundup.train.passes import Passes, SummedLoss
from groundup.train.ranks import Ranks
from groundup.train.storage import Storage
from groundup.train.working_copy import WorkingCopy


class Team(Ranks):
    """Ranks on a mesh.

    Order: `arrange` the model, make its optimizer, then its TrainStep, which asks for `passes`.
    """

    def __init__(self, mesh: Mesh, precision: RunPrecision) -> None:
        self.mesh = mesh
        self.rank, self.size = dist.get_rank(), mesh.layout.world_size
        self._context = ContextParallel(mesh.group("cp"))
        layout = mesh.layout
        self.place = f".dp{layout.dp}-tp{layout.tp}-pp{layout.pp}-cp{layout.cp}.{self.rank}"
        self._data = DATA_PARALLEL[mesh.layout.zero](mesh, precision)
        settings = mesh.layout.local_sgd
        self.outer = OuterStep(settings, mesh.group("islands")) if settings else None
        """What brings islands together that train apart; None where all ranks train together."""

    @classmethod
    def of(cls, layout: Layout, precision: RunPrecision, device: str = "cpu") -> "Team":
        """Return the team of the process group that there is; all ranks call this together."""
        return cls(Mesh.of(layout, device), precision)

    def arrange(self, model: Transformer) -> Transformer:
        """Return what this rank holds of the model, made from it in place: the same names, of fewer or sharded weights."""
        self._context.arrange(model)
        self._data.arrange(model)
        if self.outer:
            self.outer.take(model)
        return model

    def passes(self, loss: SummedLoss, copy: WorkingCopy | None) -> Passes:
        if self.outer:
            self.outer.begin()
        return Together(loss, self._context, self._data, copy)

    def storage(self) -> Storage:
        return ManyRanks()

    def count(self, number: int) -> int:
        found = torch.tensor(number, dtype=torch.int64)
        return int(sum_over(found, self.mesh.group("copies"), self.mesh.group("shard")))

    def loss(self, share: Tensor) -> Tensor:
        of_island = sum_over(share, *(self.mesh.group(axis) for axis in ("pp", "copies", "shard", "cp")))
        return sum_over(of_island, self.mesh.group("islands")) / self.mesh.layout.islands

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        return global_norm(gradients, self.mesh.group("pp"))

    def after_update(self, step: int, is_last: bool) -> None:
        if self.outer:
            self.outer.after_update(step, is_last)

    def any(self, is_so: bool) -> bool:
        found = torch.tensor(int(is_so))
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def agreed(self, value: Any) -> Any:
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


class Together(Passes):
    """One micro-batch after the other, each rank through its own."""

    def __init__(self, loss: SummedLoss, context: ContextParallel, data: DataParallel, copy: WorkingCopy | None) -> None:
        self._loss = loss
        self._wrapped: nn.Module = data.wrap(loss)
        self._context = context
        self._data = data
        self._copy = copy

    def __call__(self, micro_batches: Sequence[Batch], targets: int, scale: float | None) -> Tensor:
        device = self._loss.device
        share = torch.zeros((), device=device)
        if self._copy:
            self._copy.refresh()
        for number, batch in enumerate(micro_batches, 1):
            own = self._context.part(batch.to(device))
            with self._context.reading(own.inputs), self._data.passing(is_last=number == len(micro_batches)):
                wanted, cross_entropy = self._wrapped(own)
                torch.autograd.backward(wanted / targets * (scale or 1.0))
            share = share + cross_entropy / targets
        self._data.finish()
        return share
