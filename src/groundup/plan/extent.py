"""How long a run of so many steps is, where not all steps are alike."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from groundup.estimate.flops import flops_per_row
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course, Phase

MAX_STEPS = 1 << 40


@dataclass(frozen=True)
class Extent:
    """A run of so many steps."""

    steps: int
    whole_steps: float
    """The steps of whole batches and full rows that take as much time; the work is counted in FLOPs."""
    tokens: int
    """Tokens of text, repeats included."""


def extent_of(train: TrainConfig, steps: int, workload: Workload) -> Extent:
    """Return the extent of a run of `steps`."""
    course = Course(train, steps)
    phases = [phase for phase in course.phases if phase.first_step < steps]
    ends = [*(later.first_step for _, later in pairwise(phases)), steps]
    work = [(end - phase.first_step) * _share(phase, workload) for phase, end in zip(phases, ends, strict=True)]
    return Extent(steps, sum(work), course.windows_before(steps) * workload.rows.text_len)


def most_steps(affordable: Callable[[int], bool]) -> int:
    """Return the largest number of steps that is affordable, 0 if one is not; more steps are taken to cost more."""
    above = 1
    while above < MAX_STEPS and affordable(above):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if affordable(middle) else (below, middle)
    return below


def _share(phase: Phase, workload: Workload) -> float:
    """Return the work of a step of the phase over that of a whole batch of full rows."""
    rows = workload.model.max_seq_len // phase.seq_len
    work = rows * flops_per_row(workload.model, _cut(workload.rows, rows)) / flops_per_row(workload.model, workload.rows)
    return phase.windows / workload.batch_sequences * (work if rows > 1 else 1.0)


def _cut(rows: RowLengths, parts: int) -> RowLengths:
    """Return the lengths of rows made from parts of a window."""
    text, read, target, predicted = (
        max(length // parts, 1) for length in (rows.text_len, rows.read_len, rows.target_len, rows.predicted_len)
    )
    return RowLengths(text, read, target, predicted)
