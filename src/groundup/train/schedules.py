"""Learning rate as a pure function of the step."""

import math
from collections.abc import Callable

from groundup.train.config import ScheduleConfig


def cosine(progress: float) -> float:
    """Return half a cosine wave from 1 to 0 (Loshchilov & Hutter 2017, equation 5, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """Return a straight line from 1 to 0."""
    return 1 - progress


def constant(_progress: float) -> float:
    """Return 1: no decay."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": cosine, "linear": linear, "constant": constant}
"""Share of the way from floor to peak, by the share of the decay that is done."""


def learning_rate(step: int, steps: int, peak: float, config: ScheduleConfig) -> float:
    """Return the learning rate of update number `step` (0-based) of `steps`.

    It rises in equal parts over `warmup_fraction` of the steps, never from zero; the first update after that has the peak, the
    last one `floor` times the peak (with 'constant', the peak).
    """
    warmup = min(round(config.warmup_fraction * steps), steps - 1)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - 1 - warmup, 1)
    return peak * (config.floor + (1 - config.floor) * SCHEDULES[config.name](progress))
