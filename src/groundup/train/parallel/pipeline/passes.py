"""Passes through the stages of a pipeline."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.pipelining import PipelineStage

from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.parallel.context import ContextParallel
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.mesh import Mesh
from groundup.train.parallel.pipeline.bubble import bubble_share
from groundup.train.parallel.pipeline.schedules import ORDERS, Schedule, micro_batches_for
from groundup.train.parallel.pipeline.shared import SharedWeights
from groundup.train.parallel.pipeline.split import Part
from groundup.train.parallel.pipeline.stage import Stage
from groundup.train.passes import Passes, SummedLoss
from groundup.train.working_copy import StandIn


class Pipelined(Passes):
    """All micro-batches through all stages, in the order of the layout's schedule.

    Every rank of a pipeline reads the same rows; activations and their gradients are all that is sent.
    """

    def __init__(
        self,
        loss: SummedLoss,
        mesh: Mesh,
        parts: Sequence[Part],
        shared: SharedWeights,
        context: ContextParallel,
        data: DataParallel,
        stand_in: StandIn | None,
    ) -> None:
        """Run the parts of this rank; `loss` and `stand_in` are of what it holds of the model."""
        assert isinstance(loss.model, Transformer), "what is cut into stages"
        self._mesh, self._config = mesh, loss.model.config
        self._shared, self._context, self._data, self._stand_in = shared, context, data, stand_in
        self._sums_shards = mesh.layout.zero > 0
        self._order = ORDERS[mesh.layout.schedule or "1f1b"]
        self._task = _Task(loss)
        self._chunks = [_Chunk(self._task, Stage(loss.model, part)) for part in parts]
        self._schedule: tuple[Any, Schedule] | None = None

    def __call__(self, micro_batches: Sequence[Batch], targets: int, scale: float | None) -> Tensor:
        if self._stand_in:
            self._stand_in.refresh()
        device = self._task.loss.device
        batches = [self._own(batch) for batch in micro_batches_for(self._mesh.layout, micro_batches)]
        self._task.begin(batches, (scale or 1.0) / targets)
        numbers = torch.arange(len(batches), device=device)
        with self._context.reading(batches[0].inputs), self._data.passing(is_last=True):
            self._schedule_for(batches).step(target=numbers, number=numbers, return_outputs=False)
            if self._stand_in:
                self._stand_in.hand_over()
            if not self._sums_shards:
                self._shared.sum_gradients(self._task.loss.model)
        self._data.finish()
        if self._sums_shards:
            self._shared.sum_gradients(self._task.loss.model)
        return self._task.cross_entropies().sum() / targets

    @property
    def bubble(self) -> float:
        """Share of the last step's passes in which the schedule lets a rank wait, were all stages alike."""
        assert self._schedule is not None, "known from the first step on"
        layout, (count, _) = self._mesh.layout, self._schedule[0]
        return bubble_share(layout.schedule or "1f1b", layout.pp, count)

    def nats(self, batches: Sequence[Batch]) -> Tensor:
        """Return this process' share of the cross-entropy of each batch, without dropout; no gradient is taken."""
        model = self._task.loss.model
        was_training = model.training
        if self._stand_in:
            self._stand_in.refresh()
        model.eval()
        try:
            with torch.no_grad():
                return torch.cat([self._nats(group) for group in _alike(batches, self._mesh.layout.pp)])
        finally:
            model.train(was_training)

    def _nats(self, group: Sequence[Batch]) -> Tensor:
        """Return that of a few batches of one shape, which go through the stages together."""
        given = [self._own(batch) for batch in group]
        self._task.begin(given, 1.0)
        numbers = torch.arange(len(given), device=self._task.loss.device)
        order = ORDERS["gpipe" if len(self._chunks) == 1 else "interleaved"]
        schedule = order.of([self._stage(chunk) for chunk in self._chunks], len(given), self._task.take_cross_entropy)
        with self._context.reading(given[0].inputs):
            schedule.eval(target=numbers, number=numbers, return_outputs=False)
        return self._task.cross_entropies()

    def _own(self, batch: Batch) -> Batch:
        """Return what this rank reads of a micro-batch."""
        return self._context.part(batch.to(self._task.loss.device))

    def _schedule_for(self, batches: Sequence[Batch]) -> Schedule:
        """Return the schedule for so many batches of that shape; buffers are made for them, and kept until others come."""
        shape = len(batches), _shape(batches[0])
        if self._schedule is None or self._schedule[0] != shape:
            assert {_shape(batch) for batch in batches} == {shape[1]}, "buffers are made for one shape"
            stages = [self._stage(chunk) for chunk in self._chunks]
            self._task.rehearses = True
            self._schedule = shape, self._order.of(stages, len(batches), self._task.take_loss)
        return self._schedule[1]

    def _stage(self, chunk: "_Chunk") -> PipelineStage:
        part = chunk.stage.part
        is_whole = self._task.loss.changes_blocks or part.is_one_piece(self._config)
        later = (lambda: _nothing) if is_whole else None
        device, group = self._task.loss.device, self._mesh.group("pp")
        return PipelineStage(chunk, part.stage, part.stages, device, group=group, dw_builder=later)


def _nothing() -> None:
    """What is left to do after a whole backward pass."""


def _shape(batch: Batch) -> tuple[torch.Size, ...]:
    """Return what the shapes of all that is sent follow from."""
    inputs = batch.inputs
    return (inputs.tokens.shape, *(() if inputs.source is None else (inputs.source.tokens.shape,)))


def _alike(batches: Sequence[Batch], most: int) -> Iterator[Sequence[Batch]]:
    """Yield neighbours of one shape, at most so many at once."""
    for _, neighbours in groupby(batches, _shape):
        group = list(neighbours)
        yield from (group[first : first + most] for first in range(0, len(group), most))


class _Task:
    """What the stages of this rank share in one step."""

    def __init__(self, loss: SummedLoss) -> None:
        self.loss = loss
        self.batches: list[Batch] = []
        self.rehearses = False
        """Whether the first loss is of a trial, by which stages learn the shapes of what they are sent: it has no gradient."""
        self._factor = 1.0
        self._cross_entropies: dict[int, Tensor] = {}

    def begin(self, batches: list[Batch], factor: float) -> None:
        """Take the micro-batches of a step, and what their losses are multiplied by."""
        self.batches, self._factor = batches, factor
        self._cross_entropies = {}

    def cross_entropies(self) -> Tensor:
        """Return those of the micro-batches; zeros on ranks without the head."""
        exact = torch.promote_types(next(self.loss.model.parameters()).dtype, torch.float32)
        none = torch.zeros((), dtype=exact, device=self.loss.device)
        return torch.stack([self._cross_entropies.get(number, none) for number in range(len(self.batches))])

    def take_cross_entropy(self, hidden: Tensor, number: Tensor) -> Tensor:
        """Note and return the cross-entropy of a micro-batch."""
        _, self._cross_entropies[int(number)] = self.loss.of_hidden(hidden, self.batches[int(number)].targets)
        return self._cross_entropies[int(number)]

    def take_loss(self, hidden: Tensor, number: Tensor) -> Tensor:
        """Return a scalar whose gradient is that of the loss, and take the head's at once.

        The loss has computed both by then: of the head's, as large as its matrix, one micro-batch's is there at a time.
        """
        if self.rehearses:
            self.rehearses = False
            return _Given.apply(hidden, torch.zeros_like(hidden))  # type: ignore[no-untyped-call, no-any-return]
        leaf = hidden.detach().requires_grad_()
        wanted, self._cross_entropies[int(number)] = self.loss.of_hidden(leaf, self.batches[int(number)].targets)
        torch.autograd.backward(wanted * self._factor)
        return _Given.apply(hidden, leaf.grad)  # type: ignore[no-untyped-call, no-any-return]


class _Chunk(nn.Module):
    """One stage, as a schedule calls it: with what the stage before handed on, and the number of a micro-batch."""

    def __init__(self, task: _Task, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.task = task

    def forward(self, *streams: Tensor, number: Tensor) -> Tensor | tuple[Tensor, ...]:
        run: Any = self.task.loss.model.hidden  # `run_stage`, with what data parallelism put around it
        with self.task.loss.running():
            return run(self.stage, self.task.batches[int(number)].inputs, *streams)  # type: ignore[no-any-return]


class _Given(torch.autograd.Function):
    """A scalar, zero, whose gradient was found before."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, gradient: Tensor) -> Tensor:
        ctx.gradient = gradient
        return hidden.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, None]:
        gradient, ctx.gradient = ctx.gradient, None
        return gradient, None
