"""What a fit makes least: Huber's loss of log residuals, the likelihood that goes with it, or squares."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from groundup.artifacts.scaling_fit import ObjectiveName
from groundup.scaling.curves import Curve
from groundup.scaling.robust import Solved, huber, minimise

Array = NDArray[np.float64]
DELTA = 1e-3
"""Huber's delta: on log losses (Hoffmann et al. 2022, appendix D.3), in the likelihood on residuals over sigma."""
ROUNDS = 3
"""Of sigma given the curve, and the curve given sigma; the second changes nothing that can be seen."""


@dataclass(frozen=True)
class Minimum:
    """The least value of an objective, and where."""

    theta: Array
    value: float
    delta: float
    """At which Huber's loss of log residuals has its minimum there: what resamples are fitted by."""
    converged: bool


def huber_sum(curve: Curve, weights: Array, start: Array) -> Minimum:
    """Sum over points of Huber(log predicted - log measured) with delta 1e-3: the objective of Hoffmann et al. 2022, literally.

    A sum, not a mean: divided by the number of points, the same tolerance of an optimizer ends 240 times as early, which is how the
    published constants came to be off (Besiroglu et al. 2024).
    """
    solved = at_delta(curve, weights[None], start[None], DELTA)
    return Minimum(solved.theta[0], float(solved.objective[0]), DELTA, bool(solved.converged[0]))


def huber_mle(curve: Curve, weights: Array, start: Array) -> Minimum:
    """Negative log likelihood [nats] of residuals whose density is exp(-Huber(r / sigma)), with sigma free (Besiroglu et al. 2024).

    With delta = 1e-3 sigmas, sigma comes out near 1e-3 of the mean |residual|, so that the fit is one of least absolute deviations.
    """
    solved = at_delta(curve, weights[None], start[None], DELTA)
    sigma = 0.0
    for _ in range(ROUNDS):
        sigma = _sigma(curve(solved.theta)[0][0] - curve.log_loss, weights)
        solved = at_delta(curve, weights[None], solved.theta, DELTA * sigma)
    residual = (curve(solved.theta)[0][0] - curve.log_loss) / sigma
    value = float((weights * huber(residual, DELTA)).sum() + weights.sum() * (np.log(sigma) + np.log(_normaliser())))
    return Minimum(solved.theta[0], value, DELTA * sigma, bool(solved.converged[0]))


def least_squares(curve: Curve, weights: Array, start: Array) -> Minimum:
    """Sum over points of (log predicted - log measured)^2."""
    solved = at_delta(curve, weights[None], start[None], np.inf)
    return Minimum(solved.theta[0], 2 * float(solved.objective[0]), np.inf, bool(solved.converged[0]))


OBJECTIVES: dict[ObjectiveName, Callable[[Curve, Array, Array], Minimum]] = {
    "huber-sum": huber_sum,
    "huber-mle": huber_mle,
    "lsq": least_squares,
}


def at_delta(curve: Curve, weights: Array, start: Array, delta: float) -> Solved:
    """Minimise Huber's loss of the log residuals for each row of weights."""
    return minimise(curve, curve.log_loss, weights, start, curve.lower, curve.upper, delta)


def _sigma(residual: Array, weights: Array) -> float:
    """Return the sigma of the greatest likelihood: where the sum of w r psi(r / sigma) / sigma is the sum of w."""
    size = np.abs(residual)
    if not (weights * size).any():
        return float(np.finfo(float).tiny)

    def excess(log_sigma: float) -> float:
        scaled = size / np.exp(log_sigma)
        return float((weights * scaled * np.minimum(scaled, DELTA)).sum() - weights.sum())

    middle = np.log(DELTA * np.average(size, weights=weights))
    return float(np.exp(brentq(excess, middle - 40, middle + 40, xtol=1e-12)))


def _normaliser() -> float:
    """Return the integral of exp(-Huber(z)) over z."""
    return float(np.sqrt(2 * np.pi) * (2 * ndtr(DELTA) - 1) + 2 * np.exp(-0.5 * DELTA**2) / DELTA)
