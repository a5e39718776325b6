"""Minimise a weighted sum of Huber losses of a curve's residuals, for many weightings of the same points at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curve = Callable[[Array], tuple[Array, Array]]
"""theta [fits, params] -> log loss predicted [fits, points] and its gradient [fits, points, params]."""

MAX_STEPS = 200
DECREMENT = 1e-11
"""A fit has converged when a Newton step would take off less than this share of the objective."""
ROUNDING = 1e-24
"""... or when it would take off no more than this a point: residuals of 1e-12 are rounding."""
SHRINK = 0.1
"""Each round of the continuation has this times the delta of the one before: a few points change sides in each."""
DAMPING, EASED, STIFFENED = 1e-3, 0.2, 8.0
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e12
CHUNK = 250
"""Fits solved together: their gradients (250 x 240 points x 5 parameters) stay in the cache."""


@dataclass(frozen=True)
class Solved:
    """The minimum of each fit."""

    theta: Array
    """[fits, params]"""
    objective: Array
    """[fits]: sum over points of weight x Huber(residual)."""
    converged: NDArray[np.bool_]


def huber(residual: Array, delta: float) -> Array:
    """Return r^2 / 2 within delta and delta (|r| - delta / 2) beyond (Huber 1964); an infinite delta is least squares."""
    size = np.abs(residual)
    if np.isinf(delta):
        return 0.5 * size * size
    inside = np.minimum(size, delta)
    return inside * (size - 0.5 * inside)


def minimise(curve: Curve, log_loss: Array, weights: Array, start: Array, lower: Array, upper: Array, delta: float) -> Solved:
    """Return for each row of `weights` [fits, points] the theta with the least sum of weight x Huber(predicted - `log_loss`).

    From `start` [fits, params] by damped Newton steps within `lower` <= theta <= `upper` ([params], or of each fit): least squares
    first, then ever smaller deltas down to the one asked for, each begun where the last ended (Madsen & Nielsen 1993). A small
    delta alone is nearly least absolute deviation, flat almost everywhere to a Newton step.
    """
    lower, upper = np.broadcast_to(lower, start.shape), np.broadcast_to(upper, start.shape)
    chunks = [slice(at, at + CHUNK) for at in range(0, len(weights), CHUNK)]
    parts = [_minimise(curve, log_loss, weights[some], start[some], lower[some], upper[some], delta) for some in chunks]
    return Solved(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("theta", "objective", "converged")))


def _minimise(curve: Curve, log_loss: Array, weights: Array, start: Array, lower: Array, upper: Array, delta: float) -> Solved:
    theta = np.clip(start, lower, upper)
    solved = _descend(curve, log_loss, weights, theta, lower, upper, np.inf)
    if np.isinf(delta):
        return solved
    typical = float(np.sqrt(2 * solved.objective.max() / weights.sum(1).min()))
    width = max(typical, delta)
    while width > delta:
        width = max(width * SHRINK, delta)
        solved = _descend(curve, log_loss, weights, solved.theta, lower, upper, width)
    return solved if typical > delta else _descend(curve, log_loss, weights, solved.theta, lower, upper, delta)


def _descend(curve: Curve, log_loss: Array, weights: Array, theta: Array, lower: Array, upper: Array, delta: float) -> Solved:
    """Newton's method with the Hessian of the points within delta, damped by the one that bounds the objective from above.

    With all the damping a step is one of iteratively reweighted least squares, which cannot raise the objective; with none it is
    Newton's, which ends in a few steps once the same points stay within delta.
    """
    fits = len(theta)
    theta = theta.copy()
    predicted, gradient = curve(theta)
    objective = (weights * huber(predicted - log_loss, delta)).sum(1)
    damping = np.full(fits, DAMPING)
    converged = np.zeros(fits, bool)
    going = np.arange(fits)
    for _ in range(MAX_STEPS):
        step, decrement = _newton_step(
            predicted - log_loss, gradient, weights[going], delta, damping[going], theta[going], lower[going], upper[going]
        )
        done = decrement <= DECREMENT * objective[going] + ROUNDING * weights[going].sum(1)
        converged[going[done]] = True
        keep = ~done
        if not keep.any():
            break
        going, step, predicted, gradient = going[keep], step[keep], predicted[keep], gradient[keep]
        tried = np.clip(theta[going] + step, lower[going], upper[going])
        new_predicted, new_gradient = curve(tried)
        new_objective = (weights[going] * huber(new_predicted - log_loss, delta)).sum(1)
        better = new_objective <= objective[going]
        damping[going] = np.clip(damping[going] * np.where(better, EASED, STIFFENED), LEAST_DAMPING, MOST_DAMPING)
        theta[going[better]] = tried[better]
        objective[going[better]] = new_objective[better]
        predicted, gradient = (
            np.where(better[:, None], new_predicted, predicted),
            np.where(better[:, None, None], new_gradient, gradient),
        )
        stuck = ~better & (damping[going] >= MOST_DAMPING)
        going, predicted, gradient = going[~stuck], predicted[~stuck], gradient[~stuck]
        if not len(going):
            break
    return Solved(theta, objective, converged)


def _newton_step(
    residual: Array, gradient: Array, weights: Array, delta: float, damping: Array, theta: Array, lower: Array, upper: Array
) -> tuple[Array, Array]:
    """Return the step of each fit, and what it is expected to take off the objective; parameters held by a bound do not move."""
    size = np.abs(residual)
    slope = weights * np.clip(residual, -delta, delta)
    pull = np.einsum("fn,fnp->fp", slope, gradient)
    held = ((theta <= lower) & (pull > 0)) | ((theta >= upper) & (pull < 0))
    pull = np.where(held, 0.0, pull)
    within = _gram(gradient, weights * (size <= delta))
    above = within if np.isinf(delta) else _gram(gradient, weights * np.minimum(1.0, delta / np.maximum(size, 1e-300)))
    hessian = within + damping[:, None, None] * above
    scale = 1 / np.sqrt(np.maximum(np.einsum("fpp->fp", above), 1e-300))
    hessian = hessian * scale[:, :, None] * scale[:, None, :]
    free = ~held
    hessian = np.where(free[:, :, None] & free[:, None, :], hessian, 0.0)
    np.einsum("fpp->fp", hessian)[...] += np.where(held, 1.0, damping[:, None] + 1e-14)
    step = -scale * np.linalg.solve(hessian, (scale * pull)[:, :, None])[:, :, 0]
    return step, -0.5 * np.einsum("fp,fp->f", pull, step)


def _gram(gradient: Array, weights: Array) -> Array:
    """Return sum over points of weight x gradient gradient^T, for each fit."""
    weighted = gradient * weights[:, :, None]
    return np.asarray(np.matmul(weighted.transpose(0, 2, 1), gradient))
