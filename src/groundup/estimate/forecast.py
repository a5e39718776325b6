"""What a fitted law says of a run that is not made yet, with intervals."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.artifacts.scaling_fit import Fit, Span
from groundup.core.errors import ConfigError
from groundup.estimate.laws import BEST_SIZES, LOSSES

Array = NDArray[np.float64]
Interval = tuple[float, float]
SAMPLES = 20_000
"""Of the distribution that intervals are the quantiles of."""
FAR = 100.0
"""Times the largest compute of the runs: beyond it a forecast is said to be a guess."""
LEVELS = {"interval_80": (0.1, 0.9), "interval_95": (0.025, 0.975)}


@dataclass(frozen=True)
class Forecast:
    """Loss of one run, nats a token."""

    loss: float
    interval_80: Interval | None
    """Of the loss that the run will measure: by doubt about the constants and the spread of runs. None without resamples."""
    interval_95: Interval | None
    flops: float
    extrapolation: dict[str, float]
    """Times beyond the largest (or below the smallest) of the runs in params, tokens, flops; 1 inside."""
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return vars(self)


@dataclass(frozen=True)
class Allocation:
    """The best model of a compute, by a law."""

    flops: float
    params: float
    tokens: float
    tokens_per_param: float
    tokens_per_param_interval_80: Interval | None
    tokens_per_param_interval_95: Interval | None
    params_interval_95: Interval | None


def forecast(fit: Fit, params: float, tokens: float, unique_tokens: float | None = None, flops: float | None = None) -> Forecast:
    """Return the loss that a run with so many parameters and tokens will have; `flops` is 6 params x tokens unless said.

    An interval holds the spread of the constants over resamples and that of single runs about the law, both by Student's t of the
    fit's degrees of freedom, and is widened by `fit.interval_scale`. Raises ConfigError for a law that knows only best runs.
    """
    run = _run_of(fit, params, tokens, unique_tokens, flops)
    loss = float(LOSSES[fit.law](run, fit.params))
    intervals: dict[str, Interval | None] = dict.fromkeys(LEVELS)
    if fit.draws:
        logs = _log_samples(fit, run, loss)
        intervals = {name: tuple(float(np.exp(end)) for end in np.quantile(logs, level)) for name, level in LEVELS.items()}  # type: ignore[misc]
    beyond = {name: _beyond(fit.spans[name], run[name]) for name in ("params", "tokens", "flops")}
    return Forecast(loss, **intervals, flops=run["flops"], extrapolation=beyond, warnings=_warnings(fit, run, beyond))


def allocate(fit: Fit, flops: float) -> Allocation:
    """Return the size and tokens with the least loss under `flops` = 6 params x tokens, with the interval of their ratio."""
    if not np.isfinite(flops) or flops <= 0:
        raise ConfigError(f"flops={flops:g} is not a finite number above zero")
    if fit.law not in BEST_SIZES:
        raise ConfigError(
            f"a fit of {fit.law} says nothing of the best size; fit chinchilla, isoflop, envelope or data-constrained"
        )
    params, tokens = (float(value) for value in BEST_SIZES[fit.law](flops, fit.params))
    if not fit.draws:
        return Allocation(flops, params, tokens, tokens / params, None, None, None)
    drawn = [np.asarray(values) for values in BEST_SIZES[fit.law](flops, _columns(fit))]
    ratio = drawn[1] / drawn[0]
    low_80, high_80, low_95, high_95 = (float(np.quantile(ratio, level)) for level in (0.1, 0.9, 0.025, 0.975))
    sizes = (float(np.quantile(drawn[0], 0.025)), float(np.quantile(drawn[0], 0.975)))
    return Allocation(flops, params, tokens, tokens / params, (low_80, high_80), (low_95, high_95), sizes)


def _run_of(fit: Fit, params: float, tokens: float, unique_tokens: float | None, flops: float | None) -> dict[str, float]:
    if fit.law not in LOSSES:
        raise ConfigError(f"a fit of {fit.law} knows the best runs alone, not the loss of any; fit chinchilla for forecasts")
    run = {"params": params, "tokens": tokens, "unique_tokens": tokens, "flops": 6 * params * tokens}
    run |= {name: value for name, value in {"unique_tokens": unique_tokens, "flops": flops}.items() if value is not None}
    for name, value in run.items():
        if not np.isfinite(value) or value <= 0:
            raise ConfigError(f"{name}={value:g} is not a finite number above zero")
    if run["unique_tokens"] > tokens:
        raise ConfigError(
            f"unique_tokens={unique_tokens:g} is more than tokens={tokens:g}, which counts every time that one is seen"
        )
    return run


@lru_cache(maxsize=8)
def _noise(seed: int, count: int, degrees_of_freedom: float) -> tuple[NDArray[np.int64], Array, Array]:
    random = np.random.default_rng(seed)
    wide = np.sqrt(degrees_of_freedom / np.asarray(random.chisquare(degrees_of_freedom, SAMPLES)))
    return random.integers(count, size=SAMPLES), random.standard_normal(SAMPLES), wide


def _log_samples(fit: Fit, run: dict[str, float], loss: float) -> Array:
    """Return samples of the log loss that the run will measure."""
    drawn = np.log(np.asarray(LOSSES[fit.law](run, _columns(fit)))) - np.log(loss)
    which, normal, wide = _noise(fit.seed, len(drawn), fit.degrees_of_freedom)
    errors = wide * (_inflation(fit) * drawn[which] + fit.residual_std * normal)
    return np.asarray(np.log(loss) + fit.interval_scale * errors)


def _inflation(fit: Fit) -> float:
    """Return what resamples understate the spread by, as the constants have taken up part of the residuals."""
    raw = float(np.sqrt(np.mean(np.square(fit.residuals))))
    return max(fit.residual_std / raw, 1.0) if raw else 1.0


def _columns(fit: Fit) -> dict[str, Array]:
    return dict(zip(fit.params, np.asarray(fit.draws).T, strict=True))


def _beyond(span: Span, value: float) -> float:
    return max(value / span.high, span.low / value, 1.0)


def _warnings(fit: Fit, run: dict[str, float], beyond: dict[str, float]) -> list[str]:
    warnings = []
    if beyond["flops"] > FAR and run["flops"] > fit.spans["flops"].high:
        warnings.append(
            f"EXTRAPOLATION: {run['flops']:.3g} FLOPs are {beyond['flops']:,.0f} times the largest run of the fit "
            f"({fit.spans['flops'].high:.3g}); do not trust intervals beyond {FAR:.0f} times: add larger runs"
        )
    ratio = run["tokens"] / run["params"]
    if fit.law not in ("chinchilla", "data-constrained", "kaplan"):
        warnings.append(f"{fit.law} knows one quantity: {ratio:.3g} tokens per parameter must be like those of its runs")
    if not fit.draws:
        warnings.append("no intervals: the fit was made without resamples; fit with --bootstrap 1000")
    return warnings
