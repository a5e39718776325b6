"""Learning rate as a pure function of the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from groundup.train.course.config import FLOORED, ScheduleConfig, ScheduleName


@dataclass(frozen=True)
class Moment:
    """Where an update lies in the part of the run after the warm-up."""

    since: float
    """Updates since the first one at the peak."""
    length: int
    """Updates from that one to the last; at least 1."""
    warmup: int
    """Updates before that one."""
    decay: int
    """Updates below the peak at the end, for schedules with a decay of its own."""
    config: ScheduleConfig

    @property
    def progress(self) -> float:
        return self.since / self.length


def cosine(moment: Moment) -> float:
    """Return half a cosine wave from 1 to 0 (Loshchilov & Hutter 2017, equation 5, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * moment.progress))


def linear(moment: Moment) -> float:
    """Return a straight line from 1 to 0."""
    return 1 - moment.progress


def constant(_moment: Moment) -> float:
    """Return 1: no decay."""
    return 1.0


def inverse_sqrt(moment: Moment) -> float:
    """Return sqrt(w / t): t counts updates from 1 on, w is that of the first at the peak (Vaswani et al. 2017, equation 3).

    Raffel et al. 2020, section 3.1.2, have the same fall after 10,000 steps without a warm-up.
    """
    first = moment.warmup + 1
    return math.sqrt(first / (first + moment.since))


def warmup_stable_decay(moment: Moment) -> float:
    """Return 1, and at the end a fall to 0 in the chosen shape (Hu et al. 2024, section 4.2; Hägele et al. 2024, section 4)."""
    done = max(moment.since - (moment.length - moment.decay), 0.0) / max(moment.decay, 1)
    return 1 - (math.sqrt(done) if moment.config.decay_shape == "sqrt" else done)


SCHEDULES: Final[dict[ScheduleName, Callable[[Moment], float]]] = {
    "cosine": cosine,
    "linear": linear,
    "constant": constant,
    "inverse_sqrt": inverse_sqrt,
    "wsd": warmup_stable_decay,
}
"""Share of the way from floor to peak; without a floor, share of the peak."""


def learning_rate(step: float, steps: int, peak: float, config: ScheduleConfig) -> float:
    """Return the learning rate of update number `step` (0-based) of `steps`.

    It rises in equal parts over the warm-up, never from zero; the first update after that has the peak. Under cosine, linear and
    wsd the last one has `floor` times the peak.
    """
    warmup = config.warmup(steps)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    length = max(steps - 1 - warmup, 1)
    share = SCHEDULES[config.name](Moment(step - warmup, length, warmup, config.decay(steps), config))
    floor = config.floor if config.name in FLOORED else 0.0
    return peak * (floor + (1 - floor) * share)
