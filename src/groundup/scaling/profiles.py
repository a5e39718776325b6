"""Profile intervals: how far a constant can be moved, the others fitted anew, before the runs speak against it."""

import numpy as np
from numpy.typing import NDArray

from groundup.scaling.curves import Curve
from groundup.scaling.objectives import Minimum
from groundup.scaling.robust import minimise

Array = NDArray[np.float64]
Ends = tuple[float | None, float | None]
CHI_SQUARE_95 = 3.841458820694124
"""Of one degree of freedom."""
REACH = 6.0
"""Standard errors on each side that are looked at."""
STEPS = 25
"""Values on each side."""


def profile_intervals(
    curve: Curve, minimum: Minimum, weights: Array, independent: float, errors: dict[str, float]
) -> dict[str, Ends]:
    """Return for each constant that can be held the ends of its 95 % profile interval; None where the runs set no end.

    The objective is read as a likelihood of n independent points: Laplace's for Huber's loss (2 n ln S / S_best, S the
    sum), normal for squares (n ln S / S_best). `errors` are standard errors, for where to look.
    """
    found: dict[str, Ends] = {}
    for name, index in curve.fixable.items():
        if curve.lower[index] < curve.upper[index] and errors.get(name):
            low, high = (_end(curve, minimum, weights, independent, index, side * errors[name]) for side in (-1, 1))
            found[name] = (low, high)
    return found


def _end(curve: Curve, minimum: Minimum, weights: Array, independent: float, index: int, error: float) -> float | None:
    """Return where the deviance passes what chi-square allows on one side, or None."""
    best = minimum.theta
    place = curve.names[index]
    value = float(curve.public(best[None])[0][index])
    step = error if best[index] == value else error / value  # theta holds a logarithm
    held = np.clip(best[index] + step * np.linspace(0, REACH, STEPS + 1), curve.lower[index], curve.upper[index])
    held = np.unique(held) if error > 0 else np.unique(held)[::-1]
    lower, upper = (np.tile(bound, (len(held), 1)) for bound in (curve.lower, curve.upper))
    lower[:, index] = upper[:, index] = held
    start = np.tile(best, (len(held), 1))
    start[:, index] = held
    solved = minimise(curve, curve.log_loss, np.tile(weights, (len(held), 1)), start, lower, upper, minimum.delta)
    factor = 1.0 if np.isinf(minimum.delta) else 2.0
    deviance = factor * independent * np.log(np.maximum(solved.objective / solved.objective.min(), 1.0))
    roots = np.sqrt(deviance)
    past = np.flatnonzero(roots > np.sqrt(CHI_SQUARE_95))
    if not len(past) or past[0] == 0:
        return None
    after = past[0]
    share = (np.sqrt(CHI_SQUARE_95) - roots[after - 1]) / (roots[after] - roots[after - 1])
    theta = best.copy()
    theta[index] = held[after - 1] + share * (held[after] - held[after - 1])
    return float(curve.public(theta[None])[0][curve.names.index(place)])
