"""How sure constants are: fits to resampled runs, and the residuals that are left."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groundup.scaling.points import Points

Array = NDArray[np.float64]
FEW_RUNS = 30
"""Below it, runs drawn with replacement leave too few different ones, and each run gets a random weight instead."""


def resample(points: Points, count: int, seed: int) -> tuple[Array, Literal["runs", "weights"]]:
    """Return weights [count, points] of bootstrap resamples; all points of a run have the same factor, as they are not independent.

    Runs drawn with replacement (Efron 1979); of few runs, exponential weights of mean one (the Bayesian bootstrap, Rubin 1981),
    which lose no run, so that a resample can be fitted wherever the points can.
    """
    random = np.random.default_rng(seed)
    runs = points.num_runs
    if runs < FEW_RUNS:
        drawn = random.exponential(size=(count, runs))
        drawn *= runs / drawn.sum(1, keepdims=True)
        return drawn[:, points.run] * points.weight, "weights"
    drawn = random.multinomial(runs, np.full(runs, 1 / runs), size=count).astype(float)
    return drawn[:, points.run] * points.weight, "runs"


@dataclass(frozen=True)
class Residuals:
    """What a fit leaves, log(measured / fitted)."""

    values: Array
    degrees_of_freedom: float
    std: float


def residuals_of(points: Points, values: Array, constants: int) -> Residuals:
    """Return the spread of residuals after a fit of so many constants.

    Points of one run are alike: with intraclass correlation rho, n points in runs of m count as n / (1 + (m - 1) rho) (Kish 1965).
    """
    n, runs = len(values), points.num_runs
    per_run = np.bincount(points.run, minlength=runs)
    effective = n / (1 + (float((per_run**2).sum()) / n - 1) * _intraclass(points, values, per_run))
    freedom = max(effective - constants, 1.0)
    square = float(np.average(values**2, weights=points.weight)) if points.weight.any() else 0.0
    return Residuals(values, freedom, float(np.sqrt(square * max(effective / freedom, 1.0))))


def _intraclass(points: Points, values: Array, per_run: NDArray[np.int64]) -> float:
    """Return the share of the residuals' variance that is common to the points of a run, by analysis of variance (Fisher 1925)."""
    n, runs = len(values), points.num_runs
    if runs in (1, n):
        return 1.0 if runs == 1 else 0.0
    means = np.bincount(points.run, weights=values, minlength=runs) / per_run
    between = float((per_run * (means - values.mean()) ** 2).sum()) / (runs - 1)
    within = float(((values - means[points.run]) ** 2).sum()) / (n - runs)
    size = (n - float((per_run**2).sum()) / n) / (runs - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0
