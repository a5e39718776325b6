"""Fit a law to points: the best constants, how sure they are, and what the law says of runs it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.artifacts.scaling_fit import Fit, LawName, ObjectiveName
from groundup.core.errors import DataError
from groundup.scaling.config import UNSAID
from groundup.scaling.curves import CURVES, Curve
from groundup.scaling.identify import check_design, check_resamples, check_solution
from groundup.scaling.objectives import OBJECTIVES, Minimum, at_delta
from groundup.scaling.points import Points
from groundup.scaling.profiles import Ends, profile_intervals
from groundup.scaling.resampling import Residuals, resample, residuals_of
from groundup.scaling.spans import spans_of
from groundup.scaling.validation import validate

Array = NDArray[np.float64]
MOST_DRAWS = 1000
"""Resamples kept in FIT.json."""
FINE = 0.01
"""Resamples are fitted with a delta of at least this times the median residual: nothing of an interval hangs on less."""

VALIDATION_RESAMPLES = 60
"""Of each fit to the smaller runs."""
FEWEST_VALIDATED = 6
"""Runs without which there is nothing to leave out."""


@dataclass(frozen=True)
class Fitted:
    """A law fitted to points, in the constants of its curve."""

    curve: Curve
    weights: Array
    minimum: Minimum
    residuals: Residuals


def fit_chinchilla(
    points: Points,
    objective: ObjectiveName = "huber-sum",
    bootstrap: int = 1000,
    fixed: Mapping[str, float] | None = None,
    seed: int = 0,
    counts: str = UNSAID,
    validated: bool = True,
) -> Fit:
    """Fit L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, approach 3).

    `bootstrap` resamples of runs give standard errors and intervals; with 0 there are none. `fixed` gives constants that are known
    (E, alpha, beta). Raises DataError where the points do not decide the constants.
    """
    return fit_curve(points, "chinchilla", objective, bootstrap, fixed, seed, counts, validated)


def fit_curve(
    points: Points,
    law: LawName,
    objective: ObjectiveName = "huber-sum",
    bootstrap: int = 1000,
    fixed: Mapping[str, float] | None = None,
    seed: int = 0,
    counts: str = UNSAID,
    validated: bool = True,
) -> Fit:
    """Fit a law that says the loss of any run, with checks before and after.

    With `bootstrap`, fits to the smaller runs forecast the larger ones, and how far they err widens the forecasts of this one;
    `validated` says whether.
    """
    fit = _fitted(points, law, objective, bootstrap, fixed or {}, seed, counts)
    if not (bootstrap and validated) or points.num_runs < FEWEST_VALIDATED:
        return fit

    def smaller(chosen: Points) -> Fit:
        resamples = min(bootstrap, VALIDATION_RESAMPLES)
        return _fitted(chosen, law, objective, resamples, fixed or {}, seed, counts, profiled=False)  # forecasts need none

    found = validate(CURVES[law].select(points), smaller)
    changed = {"validation": found.held_out, "rolling": found.rolling, "interval_scale": found.interval_scale}
    return fit.model_copy(update={**changed, "warnings": [*fit.warnings, *found.warnings]})


def _fitted(
    points: Points,
    law: LawName,
    objective: ObjectiveName,
    bootstrap: int,
    fixed: Mapping[str, float],
    seed: int,
    counts: str,
    profiled: bool = True,
) -> Fit:
    points = CURVES[law].select(points)
    fitted = solve(points, law, objective, fixed)
    draws, kind, warnings = _resampled(fitted, points, law, bootstrap, seed)
    return _fit_of(fitted, points, law, objective, draws, kind, warnings, seed, counts, profiled)


def solve(points: Points, law: LawName, objective: ObjectiveName, fixed: Mapping[str, float]) -> Fitted:
    """Return the best fit; raise DataError if the points do not decide it."""
    curve = CURVES[law](points, fixed)
    if not points.weight.any():
        raise DataError("every weight is zero; give the points that count a weight above zero")
    check_design(points, curve, law)
    minimum = OBJECTIVES[objective](curve, points.weight, curve.start(points.weight))
    check_solution(curve, minimum.theta, points.weight, minimum.converged, law)
    left = curve.log_loss - curve(minimum.theta[None])[0][0]
    return Fitted(curve, points.weight, minimum, residuals_of(points, left, _free(curve)))


def resampled_thetas(fitted: Fitted, points: Points, bootstrap: int, seed: int) -> tuple[Array, str]:
    """Return theta [resamples, constants] of the resamples that converged, each begun at the best fit, and how they were drawn."""
    weights, kind = resample(points, bootstrap, seed)
    delta = max(fitted.minimum.delta, FINE * float(np.median(np.abs(fitted.residuals.values))))
    solved = at_delta(fitted.curve, weights, np.repeat(fitted.minimum.theta[None], bootstrap, 0), delta)
    return solved.theta[solved.converged], kind


def _resampled(fitted: Fitted, points: Points, law: LawName, bootstrap: int, seed: int) -> tuple[Array, str, list[str]]:
    if not bootstrap:
        return np.zeros((0, len(fitted.curve.names))), "none", []
    thetas, kind = resampled_thetas(fitted, points, bootstrap, seed)
    warnings = check_resamples(fitted.curve, thetas, law)
    if len(thetas) < 0.95 * bootstrap:
        raise DataError(
            f"{law}: of {bootstrap:,} resamples {bootstrap - len(thetas):,} did not converge, so no interval can be trusted; "
            "look for runs far from the others, or fit with --bootstrap 0"
        )
    return fitted.curve.public(thetas), kind, warnings


def _fit_of(
    fitted: Fitted,
    points: Points,
    law: LawName,
    objective: ObjectiveName,
    draws: Array,
    kind: str,
    warnings: list[str],
    seed: int,
    counts: str,
    profiled: bool,
) -> Fit:
    names = fitted.curve.names
    best = fitted.curve.public(fitted.minimum.theta[None])[0]
    spread = dict(zip(names, draws.T, strict=True)) | _optimal(names, draws)
    errors = {name: float(np.std(values, ddof=1)) for name, values in spread.items() if len(values) > 1}
    return Fit.parse(
        {
            "law": law,
            "objective": objective,
            "params": dict(zip(names, best.tolist(), strict=True)),
            "standard_errors": errors,
            "intervals_95": {
                name: tuple(np.quantile(values, (0.025, 0.975)).tolist()) for name, values in spread.items() if len(values)
            },
            "optimal": {name: float(values[0]) for name, values in _optimal(names, best[None]).items()},
            "objective_value": fitted.minimum.value,
            "intervals_profile_95": _profiles(fitted, errors) if profiled else {},
            "points_used": len(points),
            "runs_used": points.num_runs,
            "dropped": list(points.dropped),
            "fixed": fitted.curve.fixed,
            "counts": counts,
            "spans": spans_of(points),
            "residual_std": fitted.residuals.std,
            "residuals": [float(f"{value:.6g}") for value in fitted.residuals.values],
            "degrees_of_freedom": fitted.residuals.degrees_of_freedom,
            "bootstrap": len(draws),
            "resampling": kind,
            "draws": [[float(f"{value:.10g}") for value in row] for row in draws[:MOST_DRAWS]],
            "warnings": warnings,
            "seed": seed,
        },
        "fit",
    )


def _free(curve: Curve) -> int:
    return int((curve.upper > curve.lower).sum())


def _profiles(fitted: Fitted, errors: dict[str, float]) -> dict[str, Ends]:
    degrees = fitted.residuals.degrees_of_freedom + _free(fitted.curve)
    return profile_intervals(fitted.curve, fitted.minimum, fitted.weights, degrees, errors)


def _optimal(names: tuple[str, ...], constants: Array) -> dict[str, Array]:
    """Return the exponents of the best size and tokens under compute, N ~ C^a and D ~ C^b (Hoffmann et al. 2022, equation 4)."""
    if "beta" not in names:
        return {}
    alpha, beta = constants[:, names.index("alpha")], constants[:, names.index("beta")]
    return {"a": beta / (alpha + beta), "b": alpha / (alpha + beta)}
