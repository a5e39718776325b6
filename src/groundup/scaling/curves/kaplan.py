"""The laws of Kaplan et al. 2020: powers of size, tokens or compute alone, and of size with tokens."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.optimize import nnls

from groundup.scaling.curves.base import Array, Curve
from groundup.scaling.points import Points

EXPONENTS = (0.005, 2.0)
GRID = np.geomspace(0.02, 1.0, 12)
MOST_LOG = 500.0


class KaplanCurve(Curve):
    """L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D (equation 1.5), about the middle of the runs.

    theta is (log P, log Q, alpha_N, alpha_D) of (P u^(-alpha_N/alpha_D) + Q / v)^alpha_D.
    Given the exponents, P, Q >= 0 follow by non-negative least squares of L^(1/alpha_D).
    """

    names = ("N_c", "D_c", "alpha_N", "alpha_D")

    def __init__(self, points: Points, fixed: Mapping[str, float]) -> None:
        super().__init__(points, fixed)
        log_params, log_tokens = np.log(points.params), np.log(points.tokens)
        self.middle = (float(log_params.mean()), float(log_tokens.mean()))
        self.x, self.y = log_params - self.middle[0], log_tokens - self.middle[1]
        self.lower = np.array([-MOST_LOG, -MOST_LOG, EXPONENTS[0], EXPONENTS[0]])
        self.upper = np.array([MOST_LOG, MOST_LOG, EXPONENTS[1], EXPONENTS[1]])
        self.hold({"alpha_N": 2, "alpha_D": 3})

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        log_p, log_q, alpha_n, alpha_d = (theta[:, index, None] for index in range(4))
        of_params, of_tokens = log_p - alpha_n / alpha_d * self.x, log_q - self.y
        total = np.logaddexp(of_params, of_tokens)
        share = np.exp(of_params - total)
        slope = total + share * alpha_n / alpha_d * self.x
        gradient = np.stack([alpha_d * share, alpha_d * (1 - share), -share * self.x, slope], axis=2)
        return alpha_d * total, gradient

    def start(self, weights: Array) -> Array:
        of_params, of_tokens = (GRID if name not in self.fixed else np.array([self.fixed[name]]) for name in ("alpha_N", "alpha_D"))
        tried = [self._project(float(alpha_n), float(alpha_d), weights) for alpha_n in of_params for alpha_d in of_tokens]
        return min(tried, key=lambda found: found[1])[0]

    def _project(self, alpha_n: float, alpha_d: float, weights: Array) -> tuple[Array, float]:
        target = np.exp((self.log_loss - self.log_loss.mean()) / alpha_d)
        scale = np.sqrt(weights) / target
        columns = np.stack([np.exp(-alpha_n / alpha_d * self.x), np.exp(-self.y)], axis=1) * scale[:, None]
        linear, left = nnls(columns, scale * target)
        logs = np.log(np.maximum(linear, 1e-12)) + self.log_loss.mean() / alpha_d
        return np.array([*logs, alpha_n, alpha_d]), float(left) * alpha_d

    def public(self, theta: Array) -> Array:
        log_p, log_q, alpha_n, alpha_d = theta.T
        log_params, log_tokens = self.middle[0] + log_p * alpha_d / alpha_n, self.middle[1] + log_q
        return np.stack([np.exp(log_params), np.exp(log_tokens), alpha_n, alpha_d], axis=1)


class PowerCurve(Curve):
    """L = (X_c / X)^alpha of one quantity X (equations 1.1 to 1.3); theta is (log L at the middle, alpha)."""

    quantity: str

    def __init__(self, points: Points, fixed: Mapping[str, float]) -> None:
        super().__init__(points, fixed)
        logs = np.log(getattr(points, self.quantity))
        self.middle = float(logs.mean())
        self.x = logs - self.middle
        self.lower = np.array([-MOST_LOG, EXPONENTS[0]])
        self.upper = np.array([MOST_LOG, EXPONENTS[1]])
        self.hold({self.names[1]: 1})

    @classmethod
    def select(cls, points: Points) -> Points:
        """Return the points that no other with as much or less of the quantity is better than."""
        order = np.lexsort((points.loss, getattr(points, cls.quantity)))
        best = np.full(len(points), np.inf)
        best[order[1:]] = np.minimum.accumulate(points.loss[order])[:-1]
        kept = points.take(points.loss < best)
        others = len(points) - len(kept)
        told = {"points": others, "because": f"not the best of so much or less {cls.quantity}"}
        return replace(kept, dropped=(*points.dropped, told) if others else points.dropped)

    def __call__(self, theta: Array) -> tuple[Array, Array]:
        level, alpha = theta[:, 0, None], theta[:, 1, None]
        gradient = np.stack([np.ones((len(theta), len(self.x))), np.tile(-self.x, (len(theta), 1))], axis=2)
        return level - alpha * self.x, gradient

    def start(self, weights: Array) -> Array:
        del weights
        return np.array([self.log_loss.mean(), max(self.lower[1], min(self.upper[1], 0.1))])

    def public(self, theta: Array) -> Array:
        level, alpha = theta.T
        return np.stack([np.exp(np.minimum(self.middle + level / alpha, 700.0)), alpha], axis=1)


class ParamsCurve(PowerCurve):
    """L(N) = (N_c / N)^alpha_N, of runs that tokens do not hold back."""

    quantity, quantities, names = "params", ("params",), ("N_c", "alpha_N")


class TokensCurve(PowerCurve):
    """L(D) = (D_c / D)^alpha_D, of runs that size does not hold back."""

    quantity, quantities, names = "tokens", ("tokens",), ("D_c", "alpha_D")


class ComputeCurve(PowerCurve):
    """L(C) = (C_c / C)^alpha_C, of the best run of each compute."""

    quantity, quantities, names = "flops", ("flops",), ("C_c", "alpha_C")
