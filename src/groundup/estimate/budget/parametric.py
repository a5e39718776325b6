"""The loss of a run as a sum of what its size and its tokens leave, repeated tokens discounted, and the best run of a budget."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from groundup.core.errors import ConfigError
from groundup.estimate.budget.published import published

Number: TypeAlias = float | NDArray[Any]
FLOPS_PER_PARAM_TOKEN = 6.0
INFERENCE_FLOPS_PER_PARAM_TOKEN = 2.0
_LOG_RANGE = (math.log(1.0), math.log(1e18))
"""Sizes among which the best is looked for."""
_ROUNDS = 45
_MOST_LOG_FLOPS = math.log(1e40)


@dataclass(frozen=True)
class Parametric:
    """L(N, D) = E + A / N'^alpha + B / D'^beta, in nats per token (Hoffmann et al. 2022, equation 2; Muennighoff et al. 2023).

    N' and D' are N and D unless `unique_tokens` (U) bounds what is fresh: then D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)), and N'
    likewise beyond the size that U tokens are best for (equations 5 and 6).
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    unique_tokens: float = math.inf
    R_D_star: float | None = None
    """Half-life of repeated tokens; None: that of Muennighoff et al. 2023."""
    R_N_star: float | None = None
    """That of parameters beyond what the unique tokens are best for; None: the same."""

    def loss(self, params: float, tokens: float) -> float:
        """Return the loss in nats per token."""
        return self.E + self.excess_of_params(params) + self.excess_of_tokens(tokens)

    def excess_of_params(self, params: float) -> float:
        return self.A / math.pow(worth(params, self._params_of_unique, self.R_N_star or r_n_star()), self.alpha)

    def excess_of_tokens(self, tokens: float) -> float:
        return self.B / math.pow(worth(tokens, self.unique_tokens, self.R_D_star or r_d_star()), self.beta)

    def slopes(self, params: float, tokens: float) -> tuple[float, float]:
        """Return -dL / dln N and -dL / dln D."""
        of_params = self.alpha * self.excess_of_params(params) * _slope(params, self._params_of_unique, self.R_N_star or r_n_star())
        of_tokens = self.beta * self.excess_of_tokens(tokens) * _slope(tokens, self.unique_tokens, self.R_D_star or r_d_star())
        return of_params, of_tokens

    def best(self, flops: float, inference_tokens: float = 0.0) -> tuple[float, float]:
        """Return the (N, D) of 6 N D = `flops` with the least loss (Hoffmann et al. 2022, equation 4, where all is fresh).

        With `inference_tokens` T, the run of that training compute which reaches its loss with the least 6 N D + 2 N T
        (Sardana et al. 2024, equation 3): there -dL / dln N = -dL / dln D (1 + T / 3 D).
        """

        if math.isinf(self.unique_tokens) and not inference_tokens:
            params, tokens = best_of(flops, self.alpha, self.A, self.beta, self.B)
            return float(params), float(tokens)

        def too_small(log_params: float) -> bool:
            params = math.exp(log_params)
            return self.is_too_small(params, flops / FLOPS_PER_PARAM_TOKEN / params, inference_tokens)

        params = math.exp(bisect(too_small, *_LOG_RANGE))
        return params, flops / FLOPS_PER_PARAM_TOKEN / params

    def is_too_small(self, params: float, tokens: float, inference_tokens: float = 0.0) -> bool:
        """Return whether a larger model on fewer tokens is better: -dL / dln N > -dL / dln D (1 + T / 3 D)."""
        of_params, of_tokens = self.slopes(params, tokens)
        serving = INFERENCE_FLOPS_PER_PARAM_TOKEN * inference_tokens / (FLOPS_PER_PARAM_TOKEN * tokens)
        return of_params > of_tokens * (1 + serving)

    def cheapest(self, loss: float, inference_tokens: float) -> tuple[float, float]:
        """Return the (N, D) that reaches `loss` with the least 6 N D + 2 N T (Sardana et al. 2024, equation 3).

        Raises ConfigError for a loss that no run reaches: at or below E, or beyond what the unique tokens allow.
        """
        if loss <= self.E:
            raise ConfigError(f"a loss of {loss:.4g} nats a token cannot be reached: the law ends at {self.E:.4g}")

        def falls_short(log_flops: float) -> bool:
            return self.loss(*self.best(math.exp(log_flops), inference_tokens)) > loss

        found = self.best(math.exp(bisect(falls_short, 0.0, _MOST_LOG_FLOPS)), inference_tokens)
        if self.loss(*found) > loss * (1 + 1e-9):
            raise ConfigError(f"a loss of {loss:.4g} nats a token cannot be reached with {self.unique_tokens:,.0f} unique tokens")
        return found

    @property
    def _params_of_unique(self) -> float:
        """The size that the unique tokens are best for; beyond it parameters are discounted too."""
        if not math.isfinite(self.unique_tokens):
            return math.inf
        return float(size_for(self.unique_tokens, self.alpha, self.A, self.beta, self.B))


def r_d_star() -> float:
    """Return the half-life of repeated tokens (Muennighoff et al. 2023)."""
    return float(published()["muennighoff"]["R_D_star"])


def r_n_star() -> float:
    """Return that of parameters in excess of what the unique tokens ask for."""
    return float(published()["muennighoff"]["R_N_star"])


def worth(amount: float, unique: float, half_life: float) -> float:
    """Return the fresh amount that is worth as much as `amount` of which `unique` are fresh; all of it up to that."""
    return amount if amount <= unique else float(discounted(unique, amount / unique - 1, half_life, math.expm1))


def discounted(unique: Number, repeats: Number, half_life: Number, expm1: Callable[[Any], Any]) -> Number:
    """Return U + U R* (1 - exp(-R / R*)), what U seen R times more are worth (Muennighoff et al. 2023, equation 5).

    `expm1` is that of math for one number, of numpy for arrays and complex numbers.
    """
    fresh: Number = unique * (1 - half_life * expm1(-repeats / half_life))
    return fresh


def best_of(flops: Number, alpha: Number, A: Number, beta: Number, B: Number) -> tuple[Number, Number]:
    """Return N and D with the least E + A / N^alpha + B / D^beta under 6 N D = `flops`, all tokens fresh.

    N = G (C/6)^(beta/(alpha+beta)), D = (C/6) / N (Hoffmann et al. 2022, equation 4).
    """
    product = flops / FLOPS_PER_PARAM_TOKEN
    params = _scale(alpha, A, beta, B) * product ** (beta / (alpha + beta))
    return params, product / params


def size_for(tokens: Number, alpha: Number, A: Number, beta: Number, B: Number) -> Number:
    """Return the N that so many fresh tokens are best for: G (G D)^(beta/alpha)."""
    scale = _scale(alpha, A, beta, B)
    return scale * (tokens * scale) ** (beta / alpha)


def _scale(alpha: Number, A: Number, beta: Number, B: Number) -> Number:
    """G of Hoffmann et al. 2022, equation 4."""
    return (alpha * A / (beta * B)) ** (1 / (alpha + beta))


def _slope(amount: float, unique: float, half_life: float) -> float:
    """Return dln worth / dln amount."""
    if amount <= unique:
        return 1.0
    return amount * math.exp(-(amount / unique - 1) / half_life) / worth(amount, unique, half_life)


def bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """Return where `is_below` turns from true to false between the two."""
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2
