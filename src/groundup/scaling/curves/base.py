"""What a law is to be fitted: normalised constants, gradients, bounds, and where to begin."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from groundup.core.errors import ConfigError
from groundup.scaling.points import Points

Array = NDArray[np.float64]


class Curve(ABC):
    """A law over some points, in constants that are of the order of one: theta."""

    quantities: tuple[str, ...] = ("params", "tokens")
    """What of a run the law knows."""
    names: tuple[str, ...]
    """Public constants, in the order of theta."""
    fixable: dict[str, int]
    """Constants that theta holds as they are (or their logarithm), and where."""
    lower: Array
    upper: Array

    def __init__(self, points: Points, fixed: Mapping[str, float]) -> None:
        self.points = points
        self.log_loss = np.log(points.loss)
        self.fixed = dict(fixed)

    @abstractmethod
    def __call__(self, theta: Array) -> tuple[Array, Array]:
        """Return log loss [fits, points] and its gradient [fits, points, constants] for theta [fits, constants]."""

    @abstractmethod
    def start(self, weights: Array) -> Array:
        """Return a theta near the least squares of these weights [points], from anywhere."""

    @abstractmethod
    def public(self, theta: Array) -> Array:
        """Return the law's own constants [fits, constants] of theta."""

    @classmethod
    def select(cls, points: Points) -> Points:
        """Return the points that the law is about: all, unless it knows one quantity alone."""
        return points

    def hold(self, fixable: Mapping[str, int]) -> None:
        """Set both bounds of the constants that are given; raise ConfigError for one that cannot be."""
        self.fixable = dict(fixable)
        for name, value in self.fixed.items():
            if name not in fixable:
                raise ConfigError(f"{name}={value:g} cannot be fixed in this law; fixable: {', '.join(fixable)}")
            if not np.isfinite(value) or value < 0:
                raise ConfigError(f"{name}={value:g} is not a finite number, zero or more")
            self.lower[fixable[name]] = self.upper[fixable[name]] = value

    def at_bounds(self, theta: Array) -> NDArray[np.bool_]:
        """Return [fits, constants]: which lie at a bound that was not given."""
        span = self.upper - self.lower
        near = (theta - self.lower <= 1e-6 * span) | (self.upper - theta <= 1e-6 * span)
        return near & (span > 0)
