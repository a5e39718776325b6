"""Approach 3 of Hoffmann et al. 2022: the same optimum from anywhere, by each objective, and how sure it is."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from groundup.core.errors import ConfigError, DataError
from groundup.estimate.forecast import allocate, forecast
from groundup.estimate.laws import CHINCHILLA, optimal_size
from groundup.scaling.curves import ChinchillaCurve
from groundup.scaling.fit import fit_chinchilla
from groundup.scaling.objectives import DELTA, OBJECTIVES, at_delta
from groundup.scaling.points import Points, points_of

Synthetic = Callable[..., Points]
SAME_OBJECTIVE = 1e-6
PUBLISHED = {name: getattr(CHINCHILLA, name) for name in ("E", "A", "B", "alpha", "beta")}


def literal_huber(theta: np.ndarray, points: Points, reduce: Callable[[np.ndarray], float] = np.sum) -> float:
    """Equation 3 of Hoffmann et al. 2022 as it is written: Huber of LSE(a - alpha log N, b - beta log D, e) - log L."""
    a, b, e, alpha, beta = theta
    terms = [a - alpha * np.log(points.params), b - beta * np.log(points.tokens), np.full(len(points), e)]
    left = np.abs(logsumexp(terms, axis=0) - np.log(points.loss))
    return float(reduce(np.where(left <= DELTA, 0.5 * left**2, DELTA * (left - 0.5 * DELTA))))


def literal(law: dict[str, float]) -> np.ndarray:
    return np.array([np.log(law["A"]), np.log(law["B"]), np.log(law["E"]), law["alpha"], law["beta"]])


@pytest.mark.parametrize("noise", [0.003, 0.03])
def test_fifty_random_starts_end_at_one_optimum(synthetic: Synthetic, noise: float) -> None:
    points = synthetic(noise=noise)
    curve, random = ChinchillaCurve(points, {}), np.random.default_rng(1)
    exponents = np.exp(random.uniform(np.log(0.02), np.log(3), (50, 2)))
    starts = np.array([curve.start_from(alpha, beta, points.weight) for alpha, beta in exponents])
    solved = at_delta(curve, np.tile(points.weight, (50, 1)), starts, DELTA)
    assert solved.converged.all()
    assert np.ptp(solved.objective) <= SAME_OBJECTIVE * solved.objective.min()


def test_no_start_of_a_general_optimizer_finds_a_lower_sum(synthetic: Synthetic) -> None:
    points, random = synthetic(), np.random.default_rng(2)
    fit = fit_chinchilla(points, bootstrap=0)
    assert fit.objective_value == pytest.approx(literal_huber(literal(fit.params), points), rel=1e-9)
    lowest = np.inf
    for _ in range(6):
        start = literal(fit.params) * np.exp(0.1 * random.standard_normal(5))
        options = {"maxiter": 4000, "fatol": 1e-12, "xatol": 1e-9}
        found = minimize(literal_huber, start, (points,), "Nelder-Mead", options=options)
        lowest = min(lowest, found.fun)
    assert fit.objective_value <= lowest * (1 + SAME_OBJECTIVE)
    assert lowest <= fit.objective_value * 1.01, "the general optimizer came nowhere near, so it says nothing"


def test_constants_without_noise_are_found_exactly(synthetic: Synthetic) -> None:
    fit = fit_chinchilla(synthetic(noise=0), bootstrap=0)
    assert fit.params == pytest.approx(PUBLISHED, rel=1e-7)
    assert fit.optimal["a"] == pytest.approx(PUBLISHED["beta"] / (PUBLISHED["alpha"] + PUBLISHED["beta"]))


def test_units_do_not_matter(synthetic: Synthetic) -> None:
    points = synthetic()
    fit = fit_chinchilla(points, bootstrap=0)
    scaled = fit_chinchilla(points_of(points.params / 1e6, points.tokens / 1e9, points.loss), bootstrap=0)
    assert scaled.objective_value == pytest.approx(fit.objective_value, rel=1e-9)
    assert scaled.params["A"] * 1e6 ** fit.params["alpha"] == pytest.approx(fit.params["A"], rel=1e-5)


def test_the_mean_of_huber_losses_ends_an_optimizer_early_and_the_sum_is_what_is_fitted(synthetic: Synthetic) -> None:
    """The slip behind the published constants: with a mean, default tolerances stop L-BFGS after a step or two."""
    points = synthetic()
    start = literal({"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28})
    stopped = minimize(literal_huber, start, (points, np.mean), "L-BFGS-B")
    fit = fit_chinchilla(points, bootstrap=0)
    assert literal_huber(stopped.x, points) > 1.1 * fit.objective_value
    assert stopped.success
    assert stopped.x[4] == pytest.approx(0.2849, abs=1e-4)
    assert abs(stopped.x[4] - PUBLISHED["beta"]) > 5 * abs(fit.params["beta"] - PUBLISHED["beta"])


def test_the_likelihood_is_one_of_least_absolute_deviations(synthetic: Synthetic) -> None:
    points = synthetic()
    curve = ChinchillaCurve(points, {})
    found = OBJECTIVES["huber-mle"](curve, points.weight, curve.start(points.weight))
    assert found.converged
    assert found.delta < 1e-8
    absolute = np.abs(curve(found.theta[None])[0][0] - curve.log_loss)
    assert (absolute < found.delta).sum() == len(found.theta), "the curve passes through as many points as it has constants"
    random = np.random.default_rng(3)
    near = found.theta * np.exp(1e-3 * random.standard_normal((200, 5)))
    assert (np.abs(curve(near)[0] - curve.log_loss).sum(1) > absolute.sum()).all()
    sigma = found.delta / DELTA
    z = absolute / sigma
    grid = np.linspace(-20000, 20000, 4_000_001)
    density = np.exp(-np.where(np.abs(grid) <= DELTA, grid**2 / 2, DELTA * (np.abs(grid) - DELTA / 2)))
    normaliser = density.sum() * (grid[1] - grid[0])
    slow = np.sum(np.where(z <= DELTA, z**2 / 2, DELTA * (z - DELTA / 2))) + len(points) * np.log(sigma * normaliser)
    assert found.value == pytest.approx(slow, rel=1e-6)


def test_intervals_are_as_wide_as_the_published_refit_has_them(synthetic: Synthetic) -> None:
    """Besiroglu et al. 2024, table 1; the fixture's spread and shape of errors were chosen so, its number and noise are theirs."""
    fits = [fit_chinchilla(synthetic(seed=seed), bootstrap=200, validated=False) for seed in range(4)]
    for name, published in {"E": 0.0257, "alpha": 0.0154, "beta": 0.0206, "a": 0.020}.items():
        assert np.mean([fit.standard_errors[name] for fit in fits]) == pytest.approx(published, rel=0.5), name


def test_standard_errors_are_the_spread_over_new_tables(synthetic: Synthetic) -> None:
    fit = fit_chinchilla(synthetic(seed=100), bootstrap=400, validated=False)
    again = [fit_chinchilla(synthetic(seed=seed), bootstrap=0).params for seed in range(60)]
    for name in ("E", "alpha", "beta"):
        spread = float(np.std([params[name] for params in again]))
        assert fit.standard_errors[name] == pytest.approx(spread, rel=0.45), name
    inside = [fit.intervals_95[name][0] <= PUBLISHED[name] <= fit.intervals_95[name][1] for name in PUBLISHED]
    assert sum(inside) >= 4


def test_points_of_a_run_are_drawn_together(synthetic: Synthetic) -> None:
    """Forty runs of six points whose errors are the run's: counted one by one they would look six times as many."""
    random = np.random.default_rng(5)
    params = np.repeat(np.geomspace(1e7, 1e10, 40), 6)
    tokens = np.tile(np.geomspace(1e9, 1e11, 6), 40)
    run = np.repeat(np.arange(40), 6)
    law = PUBLISHED
    loss = law["E"] + law["A"] / params ** law["alpha"] + law["B"] / tokens ** law["beta"]
    loss = loss * np.exp(0.01 * random.standard_normal(40))[run] * np.exp(0.0005 * random.standard_normal(240))
    together = fit_chinchilla(points_of(params, tokens, loss, run_id=run.tolist()), bootstrap=300, validated=False)
    apart = fit_chinchilla(points_of(params, tokens, loss), bootstrap=300, validated=False)
    assert together.runs_used == 40
    assert together.standard_errors["alpha"] > 1.5 * apart.standard_errors["alpha"]
    assert together.degrees_of_freedom < 60 < apart.degrees_of_freedom


def test_tokens_per_parameter_come_with_an_interval(synthetic: Synthetic) -> None:
    fit = fit_chinchilla(synthetic(), bootstrap=300, validated=False)
    best = allocate(fit, 5.88e23)
    assert best.tokens_per_param_interval_95 is not None
    low, high = best.tokens_per_param_interval_95
    assert low < best.tokens_per_param < high
    truth = optimal_size(5.88e23, PUBLISHED)
    assert low < truth[1] / truth[0] < high
    assert 6 * best.params * best.tokens == pytest.approx(5.88e23)
    beside = [forecast(fit, best.params * factor, best.tokens / factor).loss for factor in (0.8, 1.25)]
    assert forecast(fit, best.params, best.tokens).loss < min(beside)


@pytest.mark.parametrize("law", [{"alpha": 0.3478}, {"E": 1.8172}, {"alpha": 0.3478, "beta": 0.3658}])
def test_constants_that_are_known_stay(synthetic: Synthetic, law: dict[str, float]) -> None:
    fit = fit_chinchilla(synthetic(), bootstrap=100, validated=False, fixed=law)
    for name, value in law.items():
        assert fit.params[name] == value
        assert fit.standard_errors[name] < 1e-12
    assert fit.params == pytest.approx(PUBLISHED, rel=0.25)


def test_a_constant_that_cannot_be_fixed_is_refused(synthetic: Synthetic) -> None:
    with pytest.raises(ConfigError, match=r"A=400 cannot be fixed in this law; fixable: E, alpha, beta"):
        fit_chinchilla(synthetic(), fixed={"A": 400.0})


def test_a_floor_above_the_runs_is_refused(synthetic: Synthetic) -> None:
    with pytest.raises(ConfigError, match=r"E=100 is not below the smallest loss of the runs, 2\."):
        fit_chinchilla(synthetic(), bootstrap=0, fixed={"E": 100.0})


def test_sizes_that_follow_tokens_are_refused() -> None:
    params = np.geomspace(1e6, 1e9, 30)
    loss = 1.8 + 482 / params**0.35 + 2085 / (20 * params) ** 0.37
    with pytest.raises(DataError, match=r"params and tokens move together .* tokens per parameter lie between 20 and 20"):
        fit_chinchilla(points_of(params, 20 * params, loss))


def test_too_few_points_are_refused(synthetic: Synthetic) -> None:
    for count in (1, 5):
        with pytest.raises(DataError, match=rf"{count} points of {count} different params and .* do not decide the 5 constants"):
            fit_chinchilla(synthetic(count))


def test_losses_that_do_not_hang_on_size_are_refused() -> None:
    random = np.random.default_rng(0)
    params, tokens = np.exp(random.uniform(np.log(1e7), np.log(1e10), (2, 60)))
    loss = 2 + 1000 / tokens**0.37 * np.exp(0.001 * random.standard_normal(60))
    with pytest.raises(DataError, match="not identified"):
        fit_chinchilla(points_of(params, tokens, loss))
