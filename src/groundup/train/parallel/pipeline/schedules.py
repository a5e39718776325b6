"""The orders in which the stages of a pipeline work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining.schedules import (
    Schedule1F1B,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
)

from groundup.core.errors import ConfigError
from groundup.train.batch import Batch
from groundup.train.parallel.config import Layout, PipelineSchedule

Loss = Callable[[Tensor, Tensor], Tensor]
Schedule = Schedule1F1B | ScheduleGPipe | ScheduleInterleaved1F1B | ScheduleInterleavedZeroBubble


@dataclass(frozen=True)
class Order:
    """One kind of schedule."""

    make: Callable[..., Schedule]
    many: bool
    """Whether it is made for several stages of a rank."""
    takes: Callable[[int, int], bool]
    """(micro-batches, ranks) -> whether it can work them off, none of the ranks idle for want of them."""
    wants: str
    """The numbers that it takes, in words, of a pipeline of {pp} ranks."""

    def of(self, stages: Sequence[PipelineStage], count: int, loss: Loss) -> Schedule:
        """Return the schedule for so many micro-batches; the gradients of their losses are added up."""
        return self.make(list(stages) if self.many else stages[0], count, loss, scale_grads=False)


def _any_number(count: int, pp: int) -> bool:
    return True


def _as_many(count: int, pp: int) -> bool:
    return count >= pp


def _rounds(count: int, pp: int) -> bool:
    """Micro-batches go through in rounds of one size, of pp or more each."""
    return count >= pp and count % (count // pp) == 0


ORDERS: Final[dict[PipelineSchedule, Order]] = {
    "gpipe": Order(ScheduleGPipe, False, _any_number, "any number"),
    "1f1b": Order(Schedule1F1B, False, _as_many, "at least {pp}"),
    "interleaved": Order(ScheduleInterleaved1F1B, True, _rounds, "a multiple of {pp}"),
    "zero_bubble": Order(ScheduleInterleavedZeroBubble, True, _rounds, "a multiple of {pp}"),
}
"""All forwards before all backwards (Huang et al. 2019); one of each in turn, so that few micro-batches are under way
(Narayanan et al. 2019); the same with several stages a rank (Narayanan et al. 2021, section 2.2); and with gradients of weights
taken when there is nothing else to do (Qi et al. 2024, ZB-H1)."""


def micro_batches_for(layout: Layout, batches: Sequence[Batch]) -> list[Batch]:
    """Return the micro-batches as they are, or, if they are too few for the schedule, cut into as few equal parts as it needs.

    Raises ConfigError if their rows do not divide into such parts.
    """
    name = layout.schedule or "1f1b"
    rows = len(batches[0].targets)
    for pieces in range(1, rows + 1):
        if rows % pieces == 0 and ORDERS[name].takes(pieces * len(batches), layout.pp):
            return [part for batch in batches for part in _cut(batch, pieces)]
    raise ConfigError(
        f"parallel: schedule='{name}' with pp={layout.pp} wants {ORDERS[name].wants.format(pp=layout.pp)} micro-batches a step, "
        f"and the {len(batches)} of {rows} rows on each data-parallel rank do not divide into so many; raise train.batch_tokens to "
        "another multiple, or set parallel.schedule to gpipe"
    )


def _cut(batch: Batch, pieces: int) -> list[Batch]:
    """Return the rows of a batch in equal parts."""
    if pieces == 1:
        return [batch]
    rows = len(batch.targets) // pieces
    return [batch.rows(start, start + rows) for start in range(0, len(batch.targets), rows)]
