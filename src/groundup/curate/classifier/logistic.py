"""Logistic regression on hashed features, to its optimum."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from groundup.curate.classifier.features import Passages
from groundup.curate.classifier.linear import Floats, linear, sigmoid

MEMORY = 10
"""Steps that the curvature is estimated from (Liu & Nocedal 1989)."""
TOLERANCE = 1e-4
"""Of the gradient's norm over that at the start."""
MAX_STEPS = 300
_ARMIJO = 1e-4
_ROUNDING = 1e-14
"""Part of a loss by which sums of it differ from each other."""
_BLOCK_FEATURES = 1 << 20
_CURVATURE = 0.25
"""The second derivative of the loss by z is at most this, and passages have length 1 or 0."""


@dataclass(frozen=True)
class Examples:
    """Passages, what they are, and how much each counts."""

    passages: Passages
    is_good: np.ndarray[tuple[int], np.dtype[np.bool_]]
    shares: Floats
    """Of each passage, 1 together: the good ones have half, the bad ones the other half."""

    @classmethod
    def of(cls, good: Sequence[Passages], bad: Sequence[Passages]) -> "Examples":
        """Return the examples, both sides with the same weight in all."""
        sides = [joined(good), joined(bad)]
        is_good = np.repeat([True, False], [len(side) for side in sides])
        shares = np.concatenate([np.full(len(side), 0.5 / len(side)) for side in sides])
        return cls(joined(sides), is_good, shares)


@dataclass(frozen=True)
class Fit:
    """The optimum, or where the search for it ended."""

    weights: Floats
    bias: float
    loss: float
    """Mean loss in nats, the penalty included."""
    steps: int
    converged: bool


def joined(parts: Sequence[Passages]) -> Passages:
    """Return the passages of all parts as if they were of one text each part."""
    sizes = [np.diff(part.offsets) for part in parts]
    return Passages(
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        np.concatenate([part.buckets for part in parts]) if parts else np.zeros(0, np.uint32),
        np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum(),
    )


def blocks(passages: Passages) -> Iterator[tuple[slice, Passages]]:
    """Yield the passages in blocks of about a million features, so that little is made of them at once."""
    ends = np.searchsorted(passages.offsets, np.arange(_BLOCK_FEATURES, passages.offsets[-1], _BLOCK_FEATURES))
    for first, last in pairwise(np.unique([0, *ends, len(passages)]).tolist()):
        offsets = passages.offsets[first : last + 1]
        found = Passages(passages.texts[first:last], passages.buckets[offsets[0] : offsets[-1]], offsets - offsets[0])
        yield slice(first, last), found


def fit(examples: Examples, num_buckets: int, penalty: float, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS) -> Fit:
    """Return weights w and bias b that make sum_i share_i ln(1 + exp(-y_i z_i)) + penalty/2 |w|^2 least, y = 1 of good, -1 of bad.

    L-BFGS with backtracking (Nocedal & Wright 2006, algorithm 7.4); the function is strictly convex in w, so there is one optimum.
    """
    at = np.zeros(num_buckets + 1)
    loss, slope = _loss(at, examples, penalty)
    first = _norm(slope)
    history: list[tuple[Floats, Floats]] = []
    steps = 0
    while _norm(slope) > tolerance * first and steps < max_steps:
        direction = -_smoothed(slope, history, 1.0 / (_CURVATURE + penalty))
        found = _search(at, loss, slope, direction, examples, penalty)
        if found is None:
            break  # no lower place can be told apart at this precision
        step, loss, new_slope = found
        change, bend = step - at, new_slope - slope
        at, slope, steps = step, new_slope, steps + 1
        if _dot(change, bend) > 0:
            history = [*history, (change, bend)][-MEMORY:]
    return Fit(at[:-1], float(at[-1]), loss, steps, _norm(slope) <= tolerance * first)


def _loss(at: Floats, examples: Examples, penalty: float) -> tuple[float, Floats]:
    """Return the loss and its gradient; the last of `at` is the bias."""
    weights, bias = at[:-1], float(at[-1])
    slope = np.append(penalty * weights, 0.0)
    loss = 0.5 * penalty * _dot(weights, weights)
    for place, block in blocks(examples.passages):
        signs = np.where(examples.is_good[place], 1.0, -1.0)
        margins = signs * linear(weights, bias, block)
        shares = examples.shares[place]
        loss += float((shares * np.logaddexp(0.0, -margins)).sum())
        pull = -shares * signs * sigmoid(-margins)
        counts = np.diff(block.offsets)
        each = np.repeat(pull / np.sqrt(np.maximum(counts, 1)), counts)
        slope[:-1] += np.bincount(block.buckets, each, len(weights))
        slope[-1] += float(pull.sum())
    return loss, slope


def _smoothed(slope: Floats, history: Sequence[tuple[Floats, Floats]], scale: float) -> Floats:
    """Return the gradient times the inverse curvature that the last steps tell of (algorithm 7.4)."""
    found = slope.copy()
    parts = []
    for change, bend in reversed(history):
        part = _dot(change, found) / _dot(bend, change)
        found -= part * bend
        parts.append(part)
    if history:
        change, bend = history[-1]
        scale = _dot(change, bend) / _dot(bend, bend)
    found *= scale
    for (change, bend), part in zip(history, reversed(parts), strict=True):
        found += (part - _dot(bend, found) / _dot(bend, change)) * change
    return found


def _search(
    at: Floats, loss: float, slope: Floats, direction: Floats, examples: Examples, penalty: float
) -> tuple[Floats, float, Floats] | None:
    """Return the first place on the way, halving the step, that lies low enough, with loss and gradient; None if none does."""
    steepness, size = _dot(slope, direction), 1.0
    for _ in range(40):
        step = at + size * direction
        found, new_slope = _loss(step, examples, penalty)
        if found <= loss + _ARMIJO * size * steepness + _ROUNDING * abs(loss):
            return step, found, new_slope
        size /= 2
    return None


def _dot(left: Floats, right: Floats) -> float:
    """Return the inner product, the same for any number of threads (a BLAS may divide the sum among them)."""
    return float((left * right).sum())


def _norm(values: Floats) -> float:
    return float(np.sqrt(_dot(values, values)))
