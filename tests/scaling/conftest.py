from collections.abc import Callable

import numpy as np
import pytest

from groundup.estimate.laws import CHINCHILLA, optimal_size
from groundup.scaling.points import Points, points_of

LAW = {name: getattr(CHINCHILLA, name) for name in ("E", "A", "B", "alpha", "beta")}
BUDGETS = np.array([6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21])
"""Compute of the runs of Hoffmann et al. 2022, figure 3."""
WIDTH = 2.0
"""Sizes about the best of a budget, times and divided; chosen so that standard errors come out like the published refit's."""


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., Points]:
    """Runs about the best sizes of nine budgets; losses by the published refit, with mean |log residual| `noise` as it had."""

    def make(count: int = 240, noise: float = 0.0047, seed: int = 0) -> Points:
        random = np.random.default_rng(seed)
        flops = BUDGETS[random.integers(0, len(BUDGETS), count)]
        params = np.array([optimal_size(budget, LAW)[0] for budget in flops])
        params = np.clip(params * np.exp(random.uniform(-np.log(WIDTH), np.log(WIDTH), count)), 44e6, 16e9)
        tokens = flops / 6 / params
        loss = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
        errors = random.standard_t(8, count) / 0.857  # the mean of |t| with 8 degrees of freedom
        return points_of(params, tokens, loss * np.exp(noise * errors))

    return make
