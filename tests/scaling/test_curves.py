"""What every law that can be fitted keeps: its gradient, its formula, and its own constants found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.artifacts.scaling_fit import LawName
from groundup.core.errors import ConfigError, DataError
from groundup.estimate.forecast import forecast
from groundup.estimate.laws import BEST_SIZES, LOSSES, data_constrained_loss
from groundup.scaling.config import FRONTIER_LAWS, FitConfig
from groundup.scaling.curves import CURVES
from groundup.scaling.fit import fit_curve
from groundup.scaling.points import Points, points_of
from groundup.scaling.run import fit_points

TRUTH: dict[LawName, dict[str, float]] = {
    "chinchilla": {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
    "kaplan": {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
    "kaplan-params": {"N_c": 8.8e13, "alpha_N": 0.076},
    "kaplan-tokens": {"D_c": 5.4e13, "alpha_D": 0.095},
    "kaplan-compute": {"C_c": 3.1e8 * 8.64e19, "alpha_C": 0.05},
    "data-constrained": {
        "E": 1.8691,
        "A": 520.8,
        "B": 1487.7,
        "alpha": 0.3526596,
        "beta": 0.3526596,
        "R_D_star": 15.387756,
        "R_N_star": 5.309743,
    },
}
EACH = pytest.mark.parametrize("law", TRUTH)


def table(law: LawName, noise: float = 0.0, seed: int = 0) -> Points:
    """Return runs of 60 sizes and lengths, many on repeated tokens, with the losses of the law's published constants."""
    random = np.random.default_rng(seed)
    params = np.exp(random.uniform(np.log(1e7), np.log(1e10), 60))
    tokens = np.exp(random.uniform(np.log(1e9), np.log(1e11), 60))
    unique = tokens / np.maximum(1.0, np.exp(random.uniform(-1, np.log(60), 60)))
    flops = 6 * params * tokens
    run = {"params": params, "tokens": tokens, "unique_tokens": unique, "flops": flops}
    loss = np.asarray(LOSSES[law](run, TRUTH[law])) * np.exp(noise * random.standard_normal(60))
    return points_of(params, tokens, loss, flops, unique_tokens=unique)


def test_every_law_has_its_curve_its_formula_and_a_truth_here() -> None:
    assert set(CURVES) == set(LOSSES) == set(TRUTH)
    assert set(CURVES) | set(FRONTIER_LAWS) == set(LawName.__args__)
    assert set(BEST_SIZES) >= set(FRONTIER_LAWS)


@EACH
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gradients_are_those_of_differences(law: LawName, seed: int) -> None:
    points = table(law)
    curve = CURVES[law](points, {})
    random = np.random.default_rng(seed)
    theta = curve.start(points.weight)[None] * np.exp(0.05 * random.standard_normal((1, len(curve.names))))
    _, gradient = curve(theta)
    for index in range(len(curve.names)):
        step = 1e-6 * max(abs(theta[0, index]), 1e-3)
        up, down = theta.copy(), theta.copy()
        up[0, index] += step
        down[0, index] -= step
        slow = (curve(up)[0] - curve(down)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[:, :, index], slow, rtol=2e-4, atol=1e-7 * np.abs(gradient[:, :, index]).max() + 1e-9)


@EACH
def test_public_constants_in_the_formula_are_the_curve(law: LawName) -> None:
    points = table(law)
    curve = CURVES[law](points, {})
    theta = curve.start(points.weight)[None]
    run = {name: getattr(points, name) for name in ("params", "tokens", "unique_tokens", "flops")}
    loss = LOSSES[law](run, dict(zip(curve.names, curve.public(theta)[0], strict=True)))
    np.testing.assert_allclose(np.log(loss), curve(theta)[0][0], rtol=1e-9)


@EACH
def test_constants_without_noise_are_found_again(law: LawName) -> None:
    fit = fit_curve(table(law), law, bootstrap=0)
    assert fit.params == pytest.approx(TRUTH[law], rel=1e-5)
    assert fit.residual_std < 1e-7


@EACH
def test_a_fit_with_noise_holds_the_truth(law: LawName) -> None:
    fit = fit_curve(table(law, noise=0.003, seed=1), law, bootstrap=100, validated=False)
    exponents = [name for name in TRUTH[law] if name.startswith(("alpha", "beta", "R_"))]
    for name in exponents:
        low, high = fit.intervals_95[name]
        width = high - low
        assert low - 0.3 * width <= TRUTH[law][name] <= high + 0.3 * width, name
    found = forecast(fit, 3e10, 3e11)
    run = {"params": 3e10, "tokens": 3e11, "unique_tokens": 3e11, "flops": 5.4e22}
    assert found.interval_95[0] * 0.99 <= LOSSES[law](run, TRUTH[law]) <= found.interval_95[1] * 1.01


def test_the_data_constrained_law_is_the_released_one() -> None:
    """Two runs of Muennighoff et al. 2023, figure 1 (right), as huggingface/datablations prints them."""
    law = {"A": np.exp(6.255414), "B": np.exp(7.3049974), "E": np.exp(0.6254804), "alpha": 0.3526596, "beta": 0.3526596}
    law |= {"R_D_star": 15.387756, "R_N_star": 5.309743}
    for params, tokens, published in ((6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)):
        run = {"params": params, "tokens": tokens, "unique_tokens": 25e9}
        assert data_constrained_loss(run, law) == pytest.approx(published, rel=1e-12)


def test_without_repeated_tokens_the_half_life_is_not_asked_for() -> None:
    points = table("chinchilla")
    once = points_of(points.params, points.tokens, points.loss)
    with pytest.raises(DataError, match=r"no run sees a token twice .* fit --law chinchilla"):
        fit_curve(once, "data-constrained")


def test_half_lives_can_be_given() -> None:
    fit = fit_curve(table("data-constrained", noise=0.002), "data-constrained", bootstrap=0, fixed={"R_N_star": 5.309743})
    assert fit.params["R_N_star"] == pytest.approx(5.309743)
    assert fit.params["R_D_star"] == pytest.approx(15.39, rel=0.3)


def test_one_quantity_is_fitted_to_the_best_runs_of_it_alone() -> None:
    flops = np.geomspace(1e15, 1e20, 12)
    best = (1e26 / flops) ** 0.05
    worse = points_of(
        np.r_[np.full(12, 1e7), np.full(12, 1e8)], np.r_[flops, flops] / 6e7, np.r_[best, 1.2 * best], flops=np.r_[flops, flops]
    )
    fit = fit_curve(worse, "kaplan-compute", bootstrap=0)
    assert fit.points_used == 12
    assert fit.dropped[-1] == {"points": 12, "because": "not the best of so much or less flops"}
    assert fit.params == pytest.approx({"C_c": 1e26, "alpha_C": 0.05}, rel=1e-6)


def test_a_law_of_one_quantity_says_so_in_its_forecast() -> None:
    fit = fit_curve(table("kaplan-compute"), "kaplan-compute", bootstrap=0)
    assert any("tokens per parameter must be like those of its runs" in warning for warning in forecast(fit, 1e9, 1e10).warnings)


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(ConfigError, match="objective=huber-mle has no effect on law=isoflop"):
        FitConfig.of("isoflop", "huber-mle", None, 0, [], "", 0)
    with pytest.raises(ConfigError, match="valley=parabola has no effect on law=chinchilla"):
        FitConfig.of("chinchilla", None, "parabola", 0, [], "", 0)
    with pytest.raises(ConfigError, match="isoflop has no constants that can be fixed"):
        fit_points(table("chinchilla"), FitConfig(law="isoflop", fixed={"alpha": 0.3}))
