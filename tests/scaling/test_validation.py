"""What a fit tells of itself: largest runs left out, rolling forecasts, profile intervals."""

from collections.abc import Callable

import numpy as np
import pytest

from groundup.estimate.forecast import forecast
from groundup.estimate.laws import CHINCHILLA
from groundup.scaling.fit import fit_chinchilla
from groundup.scaling.points import Points, points_of

Synthetic = Callable[..., Points]
LAW = {name: getattr(CHINCHILLA, name) for name in ("E", "A", "B", "alpha", "beta")}


def test_the_largest_runs_are_forecast_from_the_rest(synthetic: Synthetic) -> None:
    points = synthetic()
    fit = fit_chinchilla(points, "lsq", bootstrap=50)
    held = fit.validation
    assert held is not None
    assert (held.runs, held.fitted_runs) == (24, 216)
    largest = np.sort(points.flops)[-24:]
    rest = np.sort(points.flops)[:-24]
    assert held.flops_ratio == pytest.approx(largest.max() / rest.max())
    assert held.error < 0.015
    assert held.inside_95 > 0.8
    assert held.error_of_last > held.error or held.flops_ratio < 3


def test_the_error_is_that_of_a_fit_made_by_hand(synthetic: Synthetic) -> None:
    points = synthetic(count=60)
    order = np.argsort(points.flops, kind="stable")
    rest = np.isin(np.arange(60), order[:-6])
    by_hand = fit_chinchilla(points.take(rest), bootstrap=0)
    errors = [abs(forecast(by_hand, points.params[i], points.tokens[i]).loss / points.loss[i] - 1) for i in order[-6:]]
    held = fit_chinchilla(points, bootstrap=20).validation
    assert held is not None
    assert held.error == pytest.approx(np.mean(errors))
    assert held.error_of_last == pytest.approx(np.mean(np.abs(points.loss[rest].min() / points.loss[order[-6:]] - 1)))


def test_runs_that_the_law_does_not_describe_widen_the_intervals_and_are_told() -> None:
    """Losses that stop falling at a compute: no law of powers says it, so the next larger run is always worse than forecast."""
    random = np.random.default_rng(0)
    params, tokens = np.exp(random.uniform(np.log([[1e7], [2e8]]), np.log([[1e10], [2e11]]), (2, 60)))
    loss = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
    straight = fit_chinchilla(points_of(params, tokens, loss * np.exp(0.002 * random.standard_normal(60))), "lsq", bootstrap=50)
    bent = loss * (1 + 0.05 * np.maximum(np.log10(6 * params * tokens) - 19.5, 0) ** 2)
    crooked = fit_chinchilla(points_of(params, tokens, bent), "lsq", bootstrap=50)
    assert straight.interval_scale < 2
    assert crooked.interval_scale > 2
    assert any("times as much as their intervals say" in warning for warning in crooked.warnings)
    narrow, wide = (
        np.ptp(forecast(fit.model_copy(update={"interval_scale": scale}), 3e10, 6e11).interval_95)
        for fit, scale in ((crooked, 1.0), (crooked, crooked.interval_scale))
    )
    assert wide > 1.9 * narrow


def test_profile_intervals_are_near_those_of_resamples(synthetic: Synthetic) -> None:
    for objective in ("huber-sum", "lsq"):
        fit = fit_chinchilla(synthetic(), objective, bootstrap=150, validated=False)
        for name in ("E", "alpha", "beta"):
            low, high = fit.intervals_profile_95[name]
            assert low is not None
            assert high is not None
            assert low < fit.params[name] < high
            resampled = fit.intervals_95[name]
            assert high - low == pytest.approx(resampled[1] - resampled[0], rel=0.5), (objective, name)


def test_a_profile_end_is_where_the_objective_says_so(synthetic: Synthetic) -> None:
    points = synthetic()
    fit = fit_chinchilla(points, "lsq", bootstrap=50, validated=False)
    for end in fit.intervals_profile_95["alpha"]:
        assert end is not None
        held = fit_chinchilla(points, "lsq", bootstrap=0, fixed={"alpha": end})
        deviance = len(points) * np.log(held.objective_value / fit.objective_value)
        assert deviance == pytest.approx(3.84, rel=0.05)


def test_few_runs_are_not_validated(synthetic: Synthetic) -> None:
    points = synthetic(count=12)
    few = points_of(points.params, points.tokens, points.loss, run_id=["a", "b", "c", "d"] * 3)
    fit = fit_chinchilla(few, bootstrap=20, fixed={"E": LAW["E"], "alpha": LAW["alpha"]})
    assert fit.validation is None
    assert fit.interval_scale == 1
