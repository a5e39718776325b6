"""The law of Muennighoff et al. 2023: tokens seen again, and parameters in excess of what the data asks for, are worth less."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.core.errors import DataError
from groundup.estimate.laws import data_constrained_loss
from groundup.scaling.curves.base import Array, Curve
from groundup.scaling.curves.chinchilla import ChinchillaCurve
from groundup.scaling.points import Points

HALF_LIVES = (0.05, 1000.0)
"""Bounds of R_D_star and R_N_star."""
LEAST_AMPLITUDE = 1e-6
"""Of both terms: without one, the size that tokens ask for is not defined."""
FIRST_GUESS = 10.0
STEP = 1e-30
"""Of complex-step differences (Squire & Trapp 1998), exact to rounding."""


class DataConstrainedCurve(Curve):
    """L = E + A / N'^alpha + B / D'^beta with N' and D' discounted; theta: the parametric law's, log R_D*, log R_N*."""

    names = (*ChinchillaCurve.names, "R_D_star", "R_N_star")

    def __init__(self, points: Points, fixed: Mapping[str, float]) -> None:
        super().__init__(points, fixed)
        if not (points.unique_tokens < points.tokens).any():
            raise DataError(
                "no run sees a token twice (column unique_tokens below tokens), so R_D_star cannot be found; fit --law chinchilla"
            )
        stars = {name: value for name, value in fixed.items() if name.startswith("R_")}
        self.fresh = ChinchillaCurve(points, {name: value for name, value in fixed.items() if name not in stars})
        ends = np.log(HALF_LIVES)
        self.lower = np.concatenate([self.fresh.lower, [ends[0], ends[0]]])
        self.lower[1:3] = LEAST_AMPLITUDE
        self.upper = np.concatenate([self.fresh.upper, [ends[1], ends[1]]])
        self.fixed = {name: float(np.log(value)) for name, value in stars.items()}
        self.hold({"R_D_star": 5, "R_N_star": 6})
        self.fixed = dict(fixed)
        self.run = {"params": points.params, "tokens": points.tokens, "unique_tokens": points.unique_tokens}

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        value = np.log(self._loss(theta))
        gradient = np.empty((*value.shape, len(self.names)))
        for index in range(len(self.names)):
            moved = theta.astype(complex)
            moved[:, index] += 1j * STEP
            gradient[:, :, index] = np.imag(np.log(self._loss(moved))) / STEP
        return value, gradient

    def _loss(self, theta: NDArray[Any]) -> NDArray[Any]:
        constants = self._public(theta)
        law = {name: constants[:, index, None] for index, name in enumerate(self.names)}
        return np.asarray(data_constrained_loss(self.run, law))

    def start(self, weights: Array) -> Array:
        once = weights * (self.points.unique_tokens >= self.points.tokens * 0.999)
        enough = (once > 0).sum() > len(self.fresh.names)
        stars = [
            self.lower[5 + index] if self.lower[5 + index] == self.upper[5 + index] else np.log(FIRST_GUESS) for index in (0, 1)
        ]
        return np.concatenate([self.fresh.start(once if enough else weights), stars])

    def public(self, theta: Array) -> Array:
        return np.asarray(self._public(theta))

    def _public(self, theta: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([self.fresh.constants(theta[:, :5]), np.exp(theta[:, 5:])], axis=1)
