"""Whether a fit can be believed: what fits to the smaller runs said of the larger ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.artifacts.scaling_fit import Fit, HeldOut, Rolling
from groundup.core.errors import DataError
from groundup.estimate.forecast import Forecast, forecast
from groundup.scaling.points import Points

FitOf = Callable[[Points], Fit]
LARGEST_SHARE = 0.1
"""Of the runs, by compute, that are left out together."""
ORIGINS = 8
"""Fits of the rolling forecasts at most."""
FIRST_SHARE = 0.5
"""Of the runs that the first of them is fitted to."""
FEWEST_FORECASTS = 4
"""Below it, nothing is concluded from rolling forecasts."""
NORMAL_90 = 1.2815515655446004
"""Standard deviations from the middle to the ends of an 80 % interval."""
FAR_OFF = 2.0


@dataclass(frozen=True)
class Validation:
    """What was found, and what to say of it."""

    held_out: HeldOut | None
    rolling: Rolling | None
    interval_scale: float
    warnings: list[str]


def validate(points: Points, fit_of: FitOf) -> Validation:
    """Fit without the largest runs and forecast them; and, again and again, forecast the next larger run from those below it."""
    order = np.argsort(points.run_flops(), kind="stable")
    held_out, warnings = _held_out(points, order, fit_of)
    rolling = _rolling(points, order, fit_of)
    scale = 1.0
    if rolling is not None and rolling.forecasts >= FEWEST_FORECASTS:
        scale = max(rolling.spread, 1.0)
        if scale > FAR_OFF:
            warnings.append(
                f"forecasts of larger runs from smaller ones erred {scale:.1f} times as much as their intervals say, which "
                "are widened by it: "
                "the law does not describe these runs well, or some of them do not belong"
            )
    return Validation(held_out, rolling, scale, warnings)


def _held_out(points: Points, order: NDArray[np.int64], fit_of: FitOf) -> tuple[HeldOut | None, list[str]]:
    count = max(1, round(LARGEST_SHARE * len(order)))
    smaller = _of_runs(points, order[:-count])
    try:
        fit = fit_of(smaller)
    except DataError:
        return None, [
            "leave-largest-out: without its largest runs the table does not decide the law, so that each of them weighs much"
        ]
    ends = _ends(points, order[-count:])
    found = [forecast(fit, points.params[at], points.tokens[at], points.unique_tokens[at], points.flops[at]) for at in ends]
    losses = points.loss[ends]
    errors = np.abs(np.array([each.loss for each in found]) / losses - 1)
    best = points.loss[np.isin(points.run, order[:-count])].min()
    inside = {
        level: float(np.mean([low <= loss <= high for (low, high), loss in zip(_intervals(found, level), losses, strict=True)]))
        for level in ("interval_80", "interval_95")
    }
    return (
        HeldOut(
            runs=count,
            fitted_runs=len(order) - count,
            flops_ratio=float(points.flops[ends].max() / smaller.flops.max()),
            error=float(errors.mean()),
            error_of_last=float(np.abs(best / losses - 1).mean()),
            inside_80=inside["interval_80"],
            inside_95=inside["interval_95"],
        ),
        [],
    )


def _rolling(points: Points, order: NDArray[np.int64], fit_of: FitOf) -> Rolling | None:
    first = max(int(np.ceil(FIRST_SHARE * len(order))), 3)
    errors, scores = [], []
    for count in np.unique(np.linspace(first, len(order) - 1, ORIGINS).astype(int)):
        try:
            fit = fit_of(_of_runs(points, order[:count]))
        except DataError:
            continue
        (at,) = _ends(points, order[count : count + 1])
        found = forecast(fit, points.params[at], points.tokens[at], points.unique_tokens[at], points.flops[at])
        low, high = found.interval_80 or (np.nan, np.nan)
        error = float(np.log(points.loss[at] / found.loss))
        errors.append(abs(np.expm1(-error)))
        scores.append(error / (np.log(high / low) / (2 * NORMAL_90)))
    if not errors:
        return None
    return Rolling(forecasts=len(errors), error=float(np.mean(errors)), spread=float(np.sqrt(np.mean(np.square(scores)))))


def _of_runs(points: Points, runs: NDArray[np.int64]) -> Points:
    return points.take(np.isin(points.run, runs))


def _ends(points: Points, runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last point of each run."""
    members = [np.flatnonzero(points.run == run) for run in runs]
    return np.array([each[points.tokens[each].argmax()] for each in members])


def _intervals(found: list[Forecast], level: str) -> list[tuple[float, float]]:
    return [getattr(each, level) or (np.nan, np.nan) for each in found]
