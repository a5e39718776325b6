"""Many layouts as columns, so that one formula gives the time of all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from groundup.train.config import Recompute, RunPrecision
from groundup.train.parallel.config import Layout, Offload, PipelineSchedule

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RECOMPUTES: Final[tuple[Recompute, ...]] = ("none", "selective", "full")
OFFLOADS: Final[tuple[Offload, ...]] = ("none", "optimizer", "all")
SCHEDULES: Final[tuple[PipelineSchedule, ...]] = ("gpipe", "1f1b", "interleaved", "zero_bubble")
DEFAULT_SCHEDULE: Final = SCHEDULES.index("1f1b")
CHUNKS: Final = 2
"""Parts of the model that each rank holds under the interleaved schedule."""


def reshards_by_itself(pp: int) -> int:
    """Return whether weights are dropped after a forward pass where nothing is said: not in a pipeline, with its many passes."""
    return int(pp == 1)


@dataclass(frozen=True)
class Grid:
    """Layouts, a row each; recompute, offload and schedule as places in RECOMPUTES, OFFLOADS and SCHEDULES."""

    dp: Ints
    tp: Ints
    pp: Ints
    cp: Ints
    zero: Ints
    shards: Ints
    """Ranks among which the states that `zero` names are shared."""
    micro_batch: Ints
    recompute: Ints
    offload: Ints
    schedule: Ints
    reshards: Ints
    """1 where zero=3 drops a block's weights after its forward pass, 0 where it keeps them until the backward pass."""

    def __len__(self) -> int:
        return len(self.dp)

    @classmethod
    def of(cls, layouts: Sequence[Layout]) -> "Grid":
        """Return the layouts as columns."""
        rows = [
            (
                *(each.dp, each.tp, each.pp, each.cp, each.zero, each.shards, each.micro_batch),
                RECOMPUTES.index(each.recompute),
                OFFLOADS.index(each.offload),
                DEFAULT_SCHEDULE if each.schedule is None else SCHEDULES.index(each.schedule),
                reshards_by_itself(each.pp) if each.reshard_after_forward is None else int(each.reshard_after_forward),
            )
            for each in layouts
        ]
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> "Grid":
        """Return the grid of rows whose values are in the order of the columns."""
        columns = np.array(rows, dtype=np.int64).reshape(len(rows), len(fields(cls))).T
        return cls(*columns)

    @property
    def chunks(self) -> Ints:
        """Stages on each rank of a pipeline."""
        return np.where(self.schedule == SCHEDULES.index("interleaved"), CHUNKS, 1)

    def take(self, places: Ints) -> "Grid":
        """Return the rows at these places."""
        return Grid(*(getattr(self, each.name)[places] for each in fields(self)))

    def layout(self, place: int, precision: RunPrecision) -> Layout:
        """Return one row as a Layout."""
        zero, pp = int(self.zero[place]), int(self.pp[place])
        schedule, reshards = SCHEDULES[self.schedule[place]], int(self.reshards[place])
        return Layout(
            dp=int(self.dp[place]),
            tp=int(self.tp[place]),
            pp=pp,
            cp=int(self.cp[place]),
            zero=zero,
            sharding_factor=int(self.shards[place]) if zero == 3 else None,
            micro_batch=int(self.micro_batch[place]),
            recompute=RECOMPUTES[self.recompute[place]],
            offload=OFFLOADS[self.offload[place]],
            reshard_after_forward=bool(reshards) if zero == 3 and reshards != reshards_by_itself(pp) else None,
            schedule=schedule if pp > 1 and schedule != "1f1b" else None,
            precision=precision,
        )
