"""The ranks of one run, and its model arranged on them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.config import RunPrecision
from groundup.train.parallel.collectives import sum_over
from groundup.train.parallel.config import Layout
from groundup.train.parallel.context import ContextParallel
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.table import data_parallel
from groundup.train.parallel.local_sgd import OuterStep
from groundup.train.parallel.mesh import Mesh
from groundup.train.parallel.norm import global_norm
from groundup.train.parallel.pipeline.passes import Pipelined
from groundup.train.parallel.pipeline.pipeline import Pipeline
from groundup.train.parallel.storage.ranks import ManyRanks
from groundup.train.parallel.tensor.ranks import TensorParallel
from groundup.train.passes import Passes, SummedLoss
from groundup.train.ranks import Ranks
from groundup.train.storage import Storage
from groundup.train.working_copy import StandIn


class Team(Ranks):
    """Ranks on a mesh.

    Order: `arrange` the model, make its optimizer, then its TrainStep, which asks for `passes`. A team is of one model.
    """

    def __init__(self, mesh: Mesh, precision: RunPrecision) -> None:
        self.mesh = mesh
        self.rank, self.size = dist.get_rank(), mesh.layout.world_size
        self._pipeline = Pipeline(mesh) if mesh.layout.pp > 1 else None
        self._tensor = TensorParallel(mesh.tensor)
        self._context = ContextParallel(mesh.group("cp"), mesh.layout.tp)
        layout = mesh.layout
        self.place = f".dp{layout.dp}-tp{layout.tp}-pp{layout.pp}-cp{layout.cp}.{self.rank}"
        self._data = data_parallel(mesh, precision)
        settings = mesh.layout.local_sgd
        self.apart = self.outer = OuterStep(settings, mesh.group("islands")) if settings else None
        """What brings islands together that train apart; None where all ranks train together."""
        self._has_model = False

    @classmethod
    def of(cls, layout: Layout, precision: RunPrecision, device: str = "cpu") -> "Team":
        """Return the team of the process group that there is; all ranks call this together."""
        return cls(Mesh.of(layout, device), precision)

    def arrange(self, model: Transformer) -> Transformer:
        """Return what this rank holds of the model, made from it in place: the same names, of fewer or sharded weights."""
        assert not self._has_model, "each model has a team of its own: its parts remember what they are to sum"
        self._has_model = True
        if self._pipeline:
            self._pipeline.arrange(model)
        self._tensor.arrange(model)
        self._context.arrange(model)
        self._data.arrange(model)
        if self.outer:
            self.outer.take(model)
        return model

    def stand_in(self, model: Transformer | Classifier, precision: RunPrecision) -> StandIn | None:
        return self._data.stand_in(model)

    def passes(self, loss: SummedLoss, stand_in: StandIn | None) -> Passes:
        self._tensor.take(loss)
        if self.outer:
            self.outer.begin()
        self._passes: Together | Pipelined = (
            self._pipeline.passes(loss, self._context, self._data, stand_in)
            if self._pipeline
            else Together(loss, self._context, self._data, stand_in)
        )
        return self._passes

    @property
    def scheduled_bubble(self) -> float | None:
        """Share of the last step's passes in which the order of the pipeline lets a rank wait; None without a pipeline."""
        return self._passes.bubble if isinstance(self._passes, Pipelined) else None

    def storage(self) -> Storage:
        return ManyRanks()

    def count(self, number: int) -> int:
        found = torch.tensor(number, dtype=torch.int64)
        return int(sum_over(found, self.mesh.group("copies"), self.mesh.group("shard")))

    def loss(self, share: Tensor) -> Tensor:
        of_island = sum_over(share, *(self.mesh.group(axis) for axis in ("pp", "copies", "shard", "cp")))
        return sum_over(of_island, self.mesh.group("islands")) / self.mesh.layout.islands

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        counted = self._pipeline.counted(gradients) if self._pipeline else gradients
        return global_norm(counted, self.mesh.group("pp"))

    def after_update(self, step: int, is_last: bool) -> None:
        if self.outer:
            self.outer.after_update(step, is_last)

    def any(self, is_so: bool) -> bool:
        found = torch.tensor(int(is_so))
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def most(self, number: float) -> float:
        found = torch.tensor(number, dtype=torch.float64)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return float(found)

    def total(self, numbers: Tensor) -> Tensor:
        summed = numbers.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    def agreed(self, value: Any) -> Any:
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def each(self, value: Any) -> list[Any]:
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def own(self, weight: Tensor) -> tuple[Tensor, int]:
        holding = self.size // self.mesh.layout.pp * (self._pipeline.stages_with(weight) if self._pipeline else 1)
        if not isinstance(weight, DTensor):
            return weight, holding
        sizes = zip(weight.placements, weight.device_mesh.shape, strict=True)
        return weight.to_local(), holding // math.prod(size for placement, size in sizes if not placement.is_replicate())

    def nats(self, batches: Sequence[Batch], of: Callable[[Batch], float]) -> float:
        """Let each rank that reads text of its own score a part of the batches."""
        readers, number = self.mesh.layout.dp, self.mesh.data_rank
        rounds = -(-len(batches) // readers)
        mine = [batches[(turn * readers + number) % len(batches)] for turn in range(rounds)]  # as many on each: all take part
        found = self._passes.nats(mine)
        counted = sum(turn * readers + number < len(batches) for turn in range(rounds))
        return float(self.loss(found[:counted].sum())) * self.mesh.layout.islands


class Together(Passes):
    """One micro-batch after the other, each rank through its own."""

    def __init__(self, loss: SummedLoss, context: ContextParallel, data: DataParallel, stand_in: StandIn | None) -> None:
        self._loss = loss
        self._wrapped: nn.Module = data.wrap(loss)
        self._context = context
        self._data = data
        self._stand_in = stand_in

    def __call__(self, micro_batches: Sequence[Batch], targets: int, scale: float | None) -> Tensor:
        device = self._loss.device
        share = torch.zeros((), device=device)
        if self._stand_in:
            self._stand_in.refresh()
        for number, batch in enumerate(micro_batches, 1):
            own = self._context.part(batch.to(device))
            with self._context.reading(own.inputs), self._data.passing(is_last=number == len(micro_batches)):
                wanted, cross_entropy = self._wrapped(own)
                torch.autograd.backward(wanted / targets * (scale or 1.0))
            share = share + cross_entropy / targets
        self._data.finish()
        return share

    def nats(self, batches: Sequence[Batch]) -> Tensor:
        """Return this process' share of the cross-entropy of each batch, without dropout; no gradient is taken."""
        model = self._loss.model
        was_training = model.training
        if self._stand_in:
            self._stand_in.refresh()
        model.eval()
        try:
            with torch.no_grad():
                return torch.stack([self._cross_entropy(batch.to(self._loss.device)) for batch in batches])
        finally:
            model.train(was_training)

    def _cross_entropy(self, batch: Batch) -> Tensor:
        own = self._context.part(batch)
        with self._context.reading(own.inputs):
            cross_entropy: Tensor = self._loss(own)[1]
            return cross_entropy
