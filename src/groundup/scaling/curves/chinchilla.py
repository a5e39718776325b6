"""The parametric law of Hoffmann et al. 2022, in constants of order one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from groundup.core.errors import ConfigError
from groundup.scaling.curves.base import Array, Curve
from groundup.scaling.points import Points

EXPONENTS = (0.01, 4.0)
"""Exponents looked for; a fit that ends at one of them is not identified."""
GRID = np.geomspace(0.05, 1.5, 10)
LEAST_LOSS = 1e-9
"""Below it a step that takes every term away is no curve."""
MOST_AMPLITUDE = 20.0
"""Terms of the loss at the middle of the runs are at most this times the largest loss."""


class ChinchillaCurve(Curve):
    """L = E + A / N^alpha + B / D^beta, as E + A' (N / N_mid)^-alpha + B' (D / D_mid)^-beta about the middle of the runs.

    Given the exponents, E, A', B' >= 0 follow by non-negative least squares (variable projection, Golub & Pereyra 1973), so that
    only the two exponents are looked for.
    """

    names = ("E", "A", "B", "alpha", "beta")

    def __init__(self, points: Points, fixed: Mapping[str, float]) -> None:
        super().__init__(points, fixed)
        self.log_params, self.log_tokens = np.log(points.params), np.log(points.tokens)
        self.middle = (float(self.log_params.mean()), float(self.log_tokens.mean()))
        self.x, self.y = self.log_params - self.middle[0], self.log_tokens - self.middle[1]
        most = float(points.loss.max())
        self.lower = np.array([0.0, 0.0, 0.0, EXPONENTS[0], EXPONENTS[0]])
        self.upper = np.array([most, MOST_AMPLITUDE * most, MOST_AMPLITUDE * most, EXPONENTS[1], EXPONENTS[1]])
        least = float(points.loss.min())
        if fixed.get("E", 0.0) >= least:
            raise ConfigError(f"E={fixed['E']:g} is not below the smallest loss of the runs, {least:g}: no run would reach it")
        self.hold({"E": 0, "alpha": 3, "beta": 4})

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        E, A, B, alpha, beta = (theta[:, index, None] for index in range(5))
        of_params, of_tokens = np.exp(-alpha * self.x), np.exp(-beta * self.y)
        loss = np.maximum(E + A * of_params + B * of_tokens, LEAST_LOSS)
        gradient = np.stack(
            [np.ones_like(of_params), of_params, of_tokens, -A * of_params * self.x, -B * of_tokens * self.y], axis=2
        )
        return np.log(loss), gradient / loss[:, :, None]

    def start(self, weights: Array) -> Array:
        exponents = [GRID if name not in self.fixed else np.array([self.fixed[name]]) for name in ("alpha", "beta")]
        cells = [(alpha, beta) for alpha in exponents[0] for beta in exponents[1]]
        best = min(cells, key=lambda cell: self.project(cell[0], cell[1], weights)[1])
        return self.start_from(*best, weights)

    def start_from(self, alpha: float, beta: float, weights: Array) -> Array:
        """Return a theta near least squares from these exponents, by descent in the exponents alone."""
        free = [index for index, name in enumerate(("alpha", "beta")) if name not in self.fixed]
        exponents = np.array([alpha, beta])

        def residuals(tried: Array) -> Array:
            exponents[free] = tried
            return self._residuals(exponents[0], exponents[1], weights)

        if free:
            found = least_squares(residuals, exponents[free], bounds=EXPONENTS, x_scale=0.1)
            exponents[free] = found.x
        linear, _ = self.project(exponents[0], exponents[1], weights)
        return np.concatenate([linear, exponents])

    def project(self, alpha: float, beta: float, weights: Array) -> tuple[Array, float]:
        """Return E, A', B' that fit best given the exponents, and the norm of what is left, relative to each loss."""
        scale = np.sqrt(weights) / self.points.loss
        columns = np.stack([np.ones_like(self.x), np.exp(-alpha * self.x), np.exp(-beta * self.y)], axis=1) * scale[:, None]
        target = scale * self.points.loss
        if "E" in self.fixed:
            linear, left = nnls(columns[:, 1:], target - self.fixed["E"] * columns[:, 0])
            return np.concatenate([[self.fixed["E"]], linear]), float(left)
        linear, left = nnls(columns, target)
        return linear, float(left)

    def _residuals(self, alpha: float, beta: float, weights: Array) -> Array:
        linear, _ = self.project(alpha, beta, weights)
        fitted = linear[0] + linear[1] * np.exp(-alpha * self.x) + linear[2] * np.exp(-beta * self.y)
        return np.asarray(np.sqrt(weights) * (fitted / self.points.loss - 1))

    def public(self, theta: Array) -> Array:
        return np.asarray(self.constants(theta))

    def constants(self, theta: NDArray[Any]) -> NDArray[Any]:
        """Return E, A, B, alpha, beta of theta, which may be complex, for derivatives."""
        E, A, B, alpha, beta = theta.T
        return np.stack([E, A * np.exp(alpha * self.middle[0]), B * np.exp(beta * self.middle[1]), alpha, beta], axis=1)
