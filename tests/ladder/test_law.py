"""What small runs say of a larger one: against laws that are known, and a slow version written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from groundup.ladder.band import law
from groundup.ladder.band.law import Expectation, expect

PARAMS = np.array([1e5, 1e5, 1e5, 2e5, 2e5, 2e5, 4e5, 4e5, 4e5])
TOKENS = np.array([1e6, 2e6, 4e6, 1e6, 2e6, 4e6, 1e6, 2e6, 4e6])
TARGET = (1.6e6, 8e6)


def true_loss(params: float, tokens: float, a: float = 0.35, b: float = 0.37) -> float:
    return 1.8 + 90 * params**-a + 300 * tokens**-b


def losses(scatter: float = 0.0, seed: int = 0) -> np.ndarray:
    exact = np.array([true_loss(*run) for run in zip(PARAMS, TOKENS, strict=True)])
    return exact * (1 + scatter * np.random.default_rng(seed).standard_normal(len(exact)))


def test_an_exact_law_is_carried_on() -> None:
    found = expect(PARAMS, TOKENS, losses(), *TARGET)
    assert found.quantile(0.5) == pytest.approx(true_loss(*TARGET), rel=0.005)
    assert found.quantile(0.025) < true_loss(*TARGET) < found.quantile(0.975)


def test_intervals_hold_what_they_say() -> None:
    """Of 100 made ladders with the scatter of seeds, 95 % intervals hold the truth and its own scatter 92 times or more."""
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(100):
        found = expect(PARAMS, TOKENS, losses(0.005, seed), *TARGET)
        truth = true_loss(*TARGET) * (1 + 0.005 * rng.standard_normal())
        inside += 0.025 <= found.below(truth) <= 0.975
    assert inside >= 92


def test_against_the_formulas_written_out_run_by_run() -> None:
    """For one pair of exponents: weighted least squares by its normal equations, and Student's t of the prediction."""
    y = losses(0.01)
    exponents = np.array([0.4])
    weights = (PARAMS * TOKENS / (PARAMS * TOKENS).max()) ** 0.5
    middle = math.exp(np.log(PARAMS).mean()), math.exp(np.log(TOKENS).mean())

    def row(params: float, tokens: float) -> np.ndarray:
        return np.array([1.0, (params / middle[0]) ** -0.4, (tokens / middle[1]) ** -0.4])

    normal, right = np.zeros((3, 3)), np.zeros(3)
    for params, tokens, loss, weight in zip(PARAMS, TOKENS, y, weights, strict=True):
        x = row(params, tokens)
        normal += weight * np.outer(x, x)
        right += weight * loss * x
    coefficients = np.linalg.solve(normal, right)
    rest = sum(
        weight * (loss - row(params, tokens) @ coefficients) ** 2
        for params, tokens, loss, weight in zip(PARAMS, TOKENS, y, weights, strict=True)
    )
    freedom = law.SEED_RUNS + len(y) - 3
    spread = (law.SEED_RUNS * (law.SEED_SCATTER * y[-1]) ** 2 + rest) / freedom
    x = row(*TARGET)
    scale = math.sqrt(spread * (1 + x @ np.linalg.inv(normal) @ x))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(law, "EXPONENTS", exponents)
        patch.setattr(law, "TRUST_POWERS", np.array([0.5]))
        found = expect(PARAMS, TOKENS, y, *TARGET)
    for share in (0.025, 0.5, 0.9):
        assert found.quantile(share) == pytest.approx(x @ coefficients + scale * student.ppf(share, freedom), rel=1e-6)


@given(st.floats(0.01, 0.99))
@settings(max_examples=25, deadline=None)
def test_quantiles_are_the_inverse_of_the_distribution(share: float) -> None:
    mixture = Expectation(np.array([0.3, 0.7]), np.array([4.0, 4.5]), np.array([0.1, 0.05]), 7)
    assert mixture.below(mixture.quantile(share)) == pytest.approx(share, abs=1e-6)


def test_more_scatter_gives_wider_bounds_and_farther_targets_too() -> None:
    def width(scatter: float, target: tuple[float, float]) -> float:
        found = expect(PARAMS, TOKENS, losses(scatter), *target)
        return found.quantile(0.975) - found.quantile(0.025)

    assert width(0.001, TARGET) < width(0.03, TARGET)
    assert width(0.005, (8e5, 6e6)) < width(0.005, TARGET) < width(0.005, (1e8, 1e9))
