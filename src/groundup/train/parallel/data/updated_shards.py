"""Weights whole, states of the optimizer shared out among ranks (zero=1 and zero=2)."""

import contextlib
from collections import deque
from collections.abc import Iterator
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.config import RunPrecision
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.shared import Shared, share
from groundup.train.parallel.mesh import Mesh
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn, with_weights

MOST_IN_FLIGHT = 2
"""Buckets that are being sent at once: it bounds the memory that they take."""


class UpdatedShards(DataParallel):
    """Each rank updates its rows of every weight and gets the others from the ranks that did (Rajbhandari et al. 2020, section 5).

    With zero=1 gradients are added up whole and are summed over ranks in the last pass; with zero=2 they are in every pass, and a
    rank keeps its rows alone. In a pipeline, where passes of many micro-batches are under way, zero=2 sums a block's as soon as
    one has been through it, and zero=1 all after the last. Where weights are in bfloat16, or states lie in the memory of the host,
    what is updated is a copy in full precision; else it is the rows of the weights themselves.
    """

    def __init__(self, mesh: Mesh, precision: RunPrecision) -> None:
        super().__init__(mesh, precision)
        self._group = mesh.gradients.get_group("shard")
        self._copies, self._peers = mesh.gradients.get_group("replicas"), mesh.tensor.get_group()
        self._is_pipeline = mesh.layout.pp > 1
        self._scatters_each = mesh.layout.zero == 2
        self._held = torch.bfloat16 if mesh.layout.gradients == "bf16" else None
        self._shared: list[Shared] = []
        self._sent = 0
        self._sends = False
        self._in_flight: deque[tuple[Shared, Tensor, dist.Work]] = deque()

    def arrange(self, model: Transformer) -> None:
        narrow = torch.bfloat16 if self.precision == "bf16_weights" else None
        self._shared = share(model, self.mesh, narrow)
        for shared in self._shared:
            for number, whole in enumerate(shared.wholes):
                if narrow and self._held is None and (self._is_pipeline or not self._scatters_each):
                    whole.grad_dtype = torch.float32  # sums over micro-batches
                whole.register_post_accumulate_grad_hook(partial(self._note, shared, number))  # type: ignore[no-untyped-call]

    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        return _Gathered(model, self._shared, self._group)

    def wrap(self, loss: SummedLoss) -> nn.Module:
        return loss

    @contextlib.contextmanager
    def passing(self, is_last: bool) -> Iterator[None]:
        self._sends = self._scatters_each or (is_last and not self._is_pipeline)
        yield
        if is_last or self._scatters_each:
            for shared in self._left():
                self._send(shared)
            self._receive_all()
            self._sent = 0

    def _left(self) -> list[Shared]:
        """Return what is to be sent when passes are over: the same on all ranks."""
        if not self._is_pipeline:
            return self._shared[self._sent :]
        self._receive_all()
        return [shared for shared in self._shared if shared.has_gradients or shared.gradient is None]

    @torch.no_grad()
    def finish(self) -> None:
        for shared in self._shared:
            shared.sum_gradient(self._copies, self._peers)
            shared.give_gradients()

    def _note(self, shared: Shared, number: int, whole: nn.Parameter) -> None:
        """Note that a gradient is there; send the buckets that are full, in an order that all ranks have.

        Those of a pipeline have one by their schedule.
        """
        if not self._sends:
            return
        shared.ready.add(number)
        if self._is_pipeline:
            if shared.is_ready:
                self._send(shared)
            return
        while self._sent < len(self._shared) and self._shared[self._sent].is_ready:
            self._send(self._shared[self._sent])
            self._sent += 1

    @torch.no_grad()
    def _send(self, shared: Shared) -> None:
        flat = shared.taken_gradients()
        row = flat.new_empty(shared.bucket.width)
        work = dist.reduce_scatter_single(row, flat, group=self._group, async_op=True)
        self._in_flight.append((shared, row, work))
        if len(self._in_flight) > MOST_IN_FLIGHT:
            self._receive()

    def _receive_all(self) -> None:
        while self._in_flight:
            self._receive()

    def _receive(self) -> None:
        shared, row, work = self._in_flight.popleft()
        work.wait()
        shared.add(row, self._held)


class _Gathered(StandIn):
    """The model with weights whole."""

    def __init__(self, model: Transformer | Classifier, all_shared: list[Shared], group: dist.ProcessGroup) -> None:
        wholes = {master: whole for shared in all_shared for master, whole in zip(shared.masters, shared.wholes, strict=True)}
        self.model = with_weights(model, wholes)
        self._updated = model
        self._shared = all_shared
        self._group = group

    @torch.no_grad()
    def refresh(self) -> None:
        """Get all rows from the ranks that update them."""
        self.model.train(self._updated.training)
        in_flight: deque[tuple[Shared, Tensor, dist.Work]] = deque()
        for shared in self._shared:
            row = shared.row()
            flat = row.new_empty(shared.bucket.ranks * len(row))
            in_flight.append((shared, flat, dist.all_gather_single(flat, row, group=self._group, async_op=True)))
            if len(in_flight) > MOST_IN_FLIGHT:
                _unpack(*in_flight.popleft())
        for each in in_flight:
            _unpack(*each)

    def hand_over(self) -> None:
        """Do nothing: every gradient is one that a backward pass accumulates."""


def _unpack(shared: Shared, flat: Tensor, work: dist.Work) -> None:
    work.wait()
    shared.take(flat)
