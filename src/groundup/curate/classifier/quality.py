"""How good a classifier is on examples that it was not trained on: calibration, thresholds, figures."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.curate.classifier.linear import Calibration, Floats, sigmoid

Bools = npt.NDArray[np.bool_]
_MAX_STEPS = 100
_SMALL = 1e-10
_DAMPING = 1e-12
_DECIMALS = 6
"""Of a suggested threshold: what one writes into a recipe."""


@dataclass(frozen=True)
class AtThreshold:
    """What keeping scores of a threshold and more does to the documents held out."""

    threshold: float
    good_kept: float
    """Part of the good ones that is kept: recall."""
    bad_kept: float
    precision: float | None
    """Part of the kept ones that is good, at the mix of the examples; None if nothing is kept."""
    accuracy: float
    """Part of all that is judged right."""


@dataclass(frozen=True)
class Quality:
    """Figures of documents that neither weights nor calibration nor threshold has seen."""

    good_documents: int
    bad_documents: int
    auc: float
    """Probability that a good one scores higher than a bad one, ties half (Hanley & McNeil 1982)."""
    brier: float
    """Mean of (score - 1 of good, 0 of bad)^2, both sides with the same weight: 0 best, 0.25 is guessing."""
    suggested: AtThreshold
    even: AtThreshold
    """At a score of 0.5."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def platt(logits: Floats, is_good: Bools) -> Calibration:
    """Return slope and intercept that make the logits probabilities (Platt 1999, with his targets that are not quite 0 and 1).

    Both sides count the same, whatever their number. Newton's method with backtracking (Lin, Lin & Weng 2007).
    """
    good, bad = int(is_good.sum()), int((~is_good).sum())
    targets = np.where(is_good, (good + 1) / (good + 2), 1 / (bad + 2))
    shares = np.where(is_good, 0.5 / good, 0.5 / bad)

    def loss(at: Floats) -> float:
        values = at[0] * logits + at[1]
        return float((shares * (np.logaddexp(0.0, values) - targets * values)).sum())

    at = np.zeros(2)
    for _ in range(_MAX_STEPS):
        found = sigmoid(at[0] * logits + at[1])
        pull, bend = shares * (found - targets), shares * found * (1 - found)
        slope = np.array([(pull * logits).sum(), pull.sum()])
        if np.abs(slope).max() < _SMALL:
            break
        cross = (bend * logits).sum()
        curvature = np.array([[(bend * logits * logits).sum() + _DAMPING, cross], [cross, bend.sum() + _DAMPING]])
        step, size, here = -np.linalg.solve(curvature, slope), 1.0, loss(at)
        while loss(at + size * step) > here + 1e-4 * size * float((slope * step).sum()) and size > _SMALL:
            size /= 2
        at = at + size * step
    return Calibration(float(at[0]), float(at[1]))


def suggested_threshold(good: Floats, bad: Floats, share: float) -> float:
    """Return a threshold that keeps at least this share of the good scores and as few bad ones as any that does, to six digits.

    Of those it lies in the middle of the lowest gap between a bad score and a good one: no good is dropped that costs no bad.
    """
    ordered = np.sort(good)
    highest = ordered[len(good) - int(np.ceil(share * len(good) - 1e-9))]
    beaten = bad[bad < highest]
    below = beaten.max() if len(beaten) else -1.0  # no score is below 0
    lowest = ordered[np.searchsorted(ordered, below, side="right")]
    found = np.floor(np.array([(max(below, 0.0) + lowest) / 2, lowest, highest]) * 10**_DECIMALS) / 10**_DECIMALS
    above = found[found > below]
    return float(above[0]) if len(above) else float(found[-1])


def quality_of(good: Floats, bad: Floats, threshold: float) -> Quality:
    """Return the figures of the scores of good and of bad documents."""
    brier = ((1 - good) ** 2).mean() / 2 + (bad**2).mean() / 2
    return Quality(len(good), len(bad), auc(good, bad), float(brier), _at(good, bad, threshold), _at(good, bad, 0.5))


def auc(good: Floats, bad: Floats) -> float:
    """Return the part of pairs in which the good one scores higher, ties counted half."""
    ordered = np.sort(bad)
    below, not_above = (np.searchsorted(ordered, good, side=side) for side in ("left", "right"))
    return float((below + not_above).sum() / (2 * len(good) * len(bad)))


def _at(good: Floats, bad: Floats, threshold: float) -> AtThreshold:
    right, wrong = int((good >= threshold).sum()), int((bad >= threshold).sum())
    kept = right + wrong
    return AtThreshold(
        threshold,
        right / len(good),
        wrong / len(bad),
        right / kept if kept else None,
        (right + len(bad) - wrong) / (len(good) + len(bad)),
    )
