"""What each step of a run is made of: its rate, its batch, the length of its rows and the mixture they come from."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.course.schedules import learning_rate

RATE_POWERS = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}
"""Power of a smaller batch's share that its learning rate is multiplied by."""


@dataclass(frozen=True)
class Phase:
    """Steps that follow each other and are made alike."""

    first_step: int
    first_window: int
    """Windows of seq_len tokens that all steps before take."""
    windows: int
    """Windows that a step takes."""
    seq_len: int
    """Tokens of the rows that windows are cut into."""
    mixture: int
    """How often the weights of the sources have changed."""


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    learning_rate: float
    first_window: int
    windows: int
    seq_len: int
    weights: tuple[tuple[str, float], ...]
    """Weights of sources that have changed since the run began, in the order of the changes."""


class Course:
    """The steps of a run as a pure function of their number.

    Windows are counted, not tokens: what a window takes of a text depends on the objective. A shorter row is a part of a window, so
    the same windows are read in the same order whatever the lengths, and a step's share of the text is exact.
    """

    def __init__(self, config: TrainConfig, steps: int, peak: float = 1.0) -> None:
        self.config = config
        self.steps = steps
        self.peak = peak

    def check(self) -> None:
        """Raise ConfigError if the run ends before the batch is whole, the rows have their length, or the last mixture begins."""
        self.config.schedule.check(self.steps)
        parts = {
            "pretrain.batch_ramp ends after": self._sizes[-1][0],
            "pretrain.lengths end after": max(self._length_starts),
            "the last part of pretrain.mixture begins after": max(self.mixture_steps, default=0),
        }
        for what, step in parts.items():
            if step >= self.steps:
                raise ConfigError(f"{what} step {step:,}, the run has {self.steps:,}; shorten it, or let the run be longer")
        for earlier, later in pairwise(self.mixture_steps):
            if earlier >= later:
                raise ConfigError(f"pretrain.mixture: one part begins at step {earlier:,}, the next at {later:,}; let them rise")

    def check_parts(self, parts: int) -> None:
        """Raise ConfigError if the rows of a step do not divide into so many parts."""
        for phase in self.phases:
            if phase.windows % parts:
                near = max(round(phase.windows / parts), 1) * parts
                key = "pretrain.batch_tokens" if phase.windows == self.config.batch_sequences else "pretrain.batch_ramp"
                raise ConfigError(
                    f"{key}: a step from {phase.first_step:,} on has {phase.windows:,} rows, no multiple of parallel.dp={parts}; "
                    f"nearest that is: {near:,}, which are {near * self.config.seq_len:,} tokens"
                )

    def at(self, step: int) -> Step:
        """Return step number `step` (0-based); those after the last one are made like it."""
        phase = self.phase(step)
        first = phase.first_window + (step - phase.first_step) * phase.windows
        changed = tuple(pair for change in self.config.mixture[: phase.mixture] for pair in change.weights.items())
        return Step(self._rate(step), first, phase.windows, phase.seq_len, changed)

    def learning_rate(self, step: float) -> float:
        """Return the learning rate of update number `step` (0-based), or between two."""
        return self._rate(step)

    def _rate(self, step: float) -> float:
        share = self.phase(int(step)).windows / self.config.batch_sequences
        power = RATE_POWERS[self.config.batch_ramp.rate] if self.config.batch_ramp else 0.0
        rate: float = learning_rate(min(step, self.steps - 1), self.steps, self.peak, self.config.schedule) * share**power
        return rate

    def phase(self, step: int) -> Phase:
        """Return the phase that the step lies in."""
        return self.phases[bisect_right(self._first_steps, step) - 1]

    def windows_before(self, step: int) -> int:
        """Return the windows that all steps before this one take."""
        return _windows_before(self._sizes, step)

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in order; the last one has no end."""
        lengths, mixtures = self._length_starts, self.mixture_steps
        cuts = sorted({first for first, _, _ in self._sizes} | set(lengths) | set(mixtures))
        return tuple(
            Phase(
                first_step=cut,
                first_window=self.windows_before(cut),
                windows=next(windows for first, _, windows in reversed(self._sizes) if first <= cut),
                seq_len=next(lengths[first] for first in sorted(lengths, reverse=True) if first <= cut),
                mixture=sum(first <= cut for first in mixtures),
            )
            for cut in cuts
        )

    @cached_property
    def mixture_steps(self) -> tuple[int, ...]:
        """The steps from which on each change of the weights holds."""
        total = self.windows_before(self.steps)
        return tuple(
            change.from_step if change.from_step is not None else self._first_step_at((change.from_fraction or 0.0) * total)
            for change in self.config.mixture
        )

    @property
    def mixtures(self) -> list[tuple[int, Mapping[str, float]]]:
        """The window from which on each change of the weights holds, and the weights."""
        changes = zip(self.mixture_steps, self.config.mixture, strict=True)
        return [(self.windows_before(step), change.weights) for step, change in changes]

    @cached_property
    def _first_steps(self) -> list[int]:
        return [phase.first_step for phase in self.phases]

    @cached_property
    def _sizes(self) -> list[tuple[int, int, int]]:
        """(first step, windows before it, windows a step) of each size of the batch."""
        ramp, seq_len, whole = self.config.batch_ramp, self.config.seq_len, self.config.batch_sequences
        if ramp is None:
            return [(0, 0, whole)]
        sizes = range(ramp.start_tokens // seq_len, whole, ramp.increment // seq_len)
        step, windows, found = 0, 0, []
        for number, size in enumerate(sizes, start=1):
            end = -(-ramp.over_tokens * number // (len(sizes) * seq_len))
            count = max(-(-(end - windows) // size), 0)
            if count:
                found.append((step, windows, size))
            step, windows = step + count, windows + count * size
        return [*found, (step, windows, whole)]

    @cached_property
    def _length_starts(self) -> dict[int, int]:
        """First step -> tokens of a row from there on."""
        total = self.windows_before(self.steps)
        starts, first = {}, 0
        for part in self.config.lengths:
            starts[first] = part.seq_len
            end = part.until_fraction * total if part.until_fraction else (part.until_tokens or 0) / self.config.seq_len
            first = self._first_step_at(end)
        return {**starts, first: self.config.seq_len}

    def _first_step_at(self, windows: float) -> int:
        """Return the first step before which at least so many windows were taken."""
        first, before, size = next(entry for entry in reversed(self._sizes) if entry[1] <= windows)
        return first + math.ceil((windows - before) / size)


def _windows_before(sizes: list[tuple[int, int, int]], step: int) -> int:
    first, before, size = sizes[bisect_right(sizes, step, key=lambda entry: entry[0]) - 1]
    return before + (step - first) * size
