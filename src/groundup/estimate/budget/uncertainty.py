"""How sure a fitted law is: other laws that the runs allow as well, and quantiles over them."""

import math
import statistics
from collections.abc import Sequence
from functools import cache
from typing import Any

from groundup.estimate.budget.parametric import Parametric
from groundup.estimate.budget.published import published

NUM_DRAWS = 150
_PLASTIC = 1.2207440846057596
"""Root of x^4 = x + 1: its powers spread points evenly in three dimensions (Roberts 2018)."""
_NORMAL = statistics.NormalDist()


@cache
def chinchilla_draws() -> tuple[Parametric, ...]:
    """Return laws about the refit of Chinchilla, as far apart as the bootstraps that were published are.

    The bootstrapped constants themselves are not published, their intervals are. A draw has another exponent
    a = beta / (alpha + beta) (its standard error), other tokens a parameter at the pivot, where runs lie densest, and another E,
    each so wide that the intervals of tokens a parameter at Chinchilla's compute and of its loss come out as published; the best
    loss at the pivot stays that of the fit.
    """
    facts = published()["chinchilla"]
    sure = facts["uncertainty"]
    return tuple(_draw(Parametric(**facts["params"]), sure, *_normals(index)) for index in range(NUM_DRAWS))


def quantiles(values: Sequence[float], share: float) -> tuple[float, float]:
    """Return the bounds of the middle `share` of the values, between them in proportion."""
    ordered = sorted(values)
    return _quantile(ordered, (1 - share) / 2), _quantile(ordered, (1 + share) / 2)


def _quantile(ordered: Sequence[float], probability: float) -> float:
    place = probability * (len(ordered) - 1)
    below = min(math.floor(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def _draw(best: Parametric, sure: dict[str, Any], of_exponent: float, of_ratio: float, of_end: float) -> Parametric:
    total = best.alpha + best.beta
    exponent = best.beta / total + sure["exponent_standard_error"] * of_exponent
    alpha, beta = (1 - exponent) * total, exponent * total
    params, tokens = best.best(sure["pivot_flops"])
    spread = sure["pivot_spread"]["low" if of_ratio < 0 else "high"]
    ratio = math.exp(math.log(tokens / params) + spread * of_ratio)
    product = params * tokens
    params, tokens = math.sqrt(product / ratio), math.sqrt(product * ratio)
    end = best.E + sure["end_spread"]["low" if of_end < 0 else "high"] * of_end
    excess = best.loss(*best.best(sure["pivot_flops"])) - end
    A = excess * (beta / total) * params**alpha
    B = excess * (alpha / total) * tokens**beta
    return Parametric(end, A, B, alpha, beta)


def _normals(index: int) -> tuple[float, float, float]:
    shares = [(0.5 + (index + 1) / _PLASTIC ** (axis + 1)) % 1 for axis in range(3)]
    first, second, third = (_NORMAL.inv_cdf(share) for share in shares)
    return first, second, third
