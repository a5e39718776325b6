"""The trained classifier: what it gives for a text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.features import Passages, passages_of

Floats = npt.NDArray[np.float64]
WEIGHT_STEP = 2.0**-16
"""Weights and bias are whole multiples of it, so that sums of them are exact in any order."""
_SCORE_STEP = 2.0**-30


@dataclass(frozen=True)
class Calibration:
    """From what a linear model gives (z) to a probability: 1 / (1 + exp(-(slope z + intercept)))."""

    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, logits: Floats) -> Floats:
        return sigmoid(self.slope * logits + self.intercept)


@dataclass(frozen=True)
class LinearClassifier:
    """z(x) = b + 1/sqrt(|F|) sum of w_j over the buckets F that the features of a passage x fall into, calibrated.

    The score of a document is the mean of its passages' probabilities: about the part of it that is like the good examples.
    """

    features: FeaturesConfig
    weights: npt.NDArray[np.float32]
    """[buckets]"""
    bias: float
    calibration: Calibration = Calibration()
    name: str = ""
    """A word for people: where it lies, and its content hash."""

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return the score of each text, 0 to 1. It hangs on the text alone, bit for bit, whatever the others."""
        sums, counts = np.zeros(len(texts)), np.zeros(len(texts))
        for passages in passages_of(texts, self.features):
            found = np.round(self.calibration.probabilities(self.logits(passages)) / _SCORE_STEP) * _SCORE_STEP
            sums += np.bincount(passages.texts, found, len(texts))
            counts += np.bincount(passages.texts, minlength=len(texts))
        return sums / np.maximum(counts, 1)

    def logits(self, passages: Passages) -> Floats:
        """Return z of each passage."""
        return linear(self.weights, self.bias, passages)


def linear(weights: npt.NDArray[np.floating], bias: float, passages: Passages) -> Floats:
    """Return b + 1/sqrt(|F|) sum_(j in F) w_j for each passage; b where F is empty."""
    sums = np.zeros(len(passages.buckets) + 1)
    np.cumsum(weights[passages.buckets], dtype=np.float64, out=sums[1:])
    counts = np.diff(passages.offsets)
    return np.diff(sums[passages.offsets]) / np.sqrt(np.maximum(counts, 1)) + bias


def rounded(values: Floats) -> Floats:
    """Return the values as multiples of `WEIGHT_STEP`, at most 2^7 from 0: float32 holds each exactly."""
    return np.clip(np.round(values / WEIGHT_STEP), -(1 << 23), 1 << 23) * WEIGHT_STEP


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), without overflow."""
    found = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, found) / (1.0 + found)
