"""Means over seeds, and how far they may be off."""

import math
import statistics
from collections.abc import Sequence

_CONFIDENCE = 0.95
_HALVINGS = 200


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of independent values (Student 1908); None for a single one.

    mean +- t s / sqrt(n), t being the 0.975 quantile of Student's distribution with n - 1 degrees of freedom.
    """
    if len(values) < 2:
        return None
    mean, count = statistics.fmean(values), len(values)
    reach = student_quantile(0.5 + _CONFIDENCE / 2, count - 1) * statistics.stdev(values) / math.sqrt(count)
    return mean - reach, mean + reach


def student_quantile(probability: float, degrees: int) -> float:
    """Return the t below which Student's distribution has `probability`, at least one half, by halving."""
    low, high = 0.0, 1.0
    while student_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, degrees) < probability else (low, middle)
    return high


def student_cdf(t: float, degrees: int) -> float:
    """Return the probability below t >= 0, by the finite sums for whole degrees (Abramowitz & Stegun 1964, 26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for number in range(1 + odd, degrees, 2):
        total += term
        term *= math.cos(angle) ** 2 * number / (number + 1)
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return 0.5 + inside / 2
