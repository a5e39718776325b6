"""What small runs say of a larger one at one moment of their schedules.

At equal shares of their schedules, runs of N parameters and D tokens are taken to follow L = E + A N^-a + B D^-b, as finished runs
do (Hoffmann et al. 2022, equation 2). With the exponents given this is a linear regression, whose prediction has Student's
t-distribution; the exponents are uncertain too, so that predictions over a grid of them are mixed, each with the weight of a prior
times the likelihood of what the runs found. A prior on the scatter stands for what no small ladder can show: runs that differ in
their seed alone differ by some tenths of a per cent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import t as student

Floats = npt.NDArray[np.float64]
NUM_COEFFICIENTS = 3
MIN_RUNS = NUM_COEFFICIENTS + 2
EXPONENT = 0.35
"""Centre of the prior of both exponents: Hoffmann et al. 2022 found .34 and .28, Besiroglu et al. 2024 .348 and .366."""
EXPONENT_SPREAD = 0.5
"""Standard deviation of its logarithm: small models have steeper laws (docs/log.md)."""
EXPONENTS: Floats = np.geomspace(0.08, 1.6, 17)
SEED_SCATTER = 0.005
"""Prior of the scatter of runs around the law, over the loss."""
SEED_RUNS = 3
"""Runs that the prior of the scatter counts as."""
TRUST_POWERS: Floats = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
"""Powers of the compute that a run's weight may go with: runs far below the largest scatter more, or are off the law while they
have learned hardly more than how often each token comes. A run's scatter is the largest one's over the root of its weight."""
NEGLIGIBLE = 1e-6
"""Share of the largest weight below which exponents are left out."""


@dataclass(frozen=True)
class Expectation:
    """A mixture of Student's t-distributions: what a loss should be."""

    weights: Floats
    means: Floats
    scales: Floats
    freedom: float

    def quantile(self, share: float) -> float:
        """Return the loss below which the mixture has this share."""
        reach = float(student.ppf(1 - 1e-7, self.freedom))
        low = float(np.min(self.means - reach * self.scales))
        high = float(np.max(self.means + reach * self.scales))
        return float(brentq(lambda loss: self.below(loss) - share, low, high, xtol=1e-9))

    def below(self, loss: float) -> float:
        """Return the probability of a lower loss."""
        return float(self.weights @ student.cdf((loss - self.means) / self.scales, self.freedom))


def expect(params: Floats, tokens: Floats, losses: Floats, target_params: float, target_tokens: float) -> Expectation:
    """Return what the runs say of the loss of a run of `target_params` and `target_tokens` at the same share of its schedule.

    Runs of few kinds leave exponents open: the grid then spreads the prediction, and no error is raised.
    """
    middle = np.exp(np.log(params).mean()), np.exp(np.log(tokens).mean())
    a, b, powers = (grid.ravel() for grid in np.meshgrid(EXPONENTS, EXPONENTS, TRUST_POWERS))
    design = _design(params / middle[0], tokens / middle[1], a, b)
    place = _design(np.array([target_params / middle[0]]), np.array([target_tokens / middle[1]]), a, b)[:, 0]
    roots = trust(params * tokens, powers)
    inverse = np.linalg.pinv(design * roots[:, :, None]) * roots[:, None, :]
    coefficients = inverse @ losses
    residuals = (losses - np.einsum("gij,gj->gi", design, coefficients)) * roots
    freedom = SEED_RUNS + len(losses) - NUM_COEFFICIENTS
    spread = SEED_RUNS * (SEED_SCATTER * losses[np.argmax(params * tokens)]) ** 2 + (residuals**2).sum(axis=1)
    logs = _log_prior(a) + _log_prior(b) + np.log(roots).sum(axis=1) - freedom / 2 * np.log(spread)
    falling = (coefficients[:, 1] >= 0) & (coefficients[:, 2] >= 0)
    if falling.any():
        logs = np.where(falling, logs, -np.inf)
    weights = np.exp(logs - logs.max())
    kept = weights > NEGLIGIBLE
    leverage = ((np.einsum("gji,gj->gi", inverse, place) / roots) ** 2).sum(axis=1)
    scales = np.sqrt(spread / freedom * (1 + leverage))
    means = np.einsum("gj,gj->g", place, coefficients)
    return Expectation(weights[kept] / weights[kept].sum(), means[kept], scales[kept], freedom)


def trust(compute: Floats, powers: Floats) -> Floats:
    """Return the root of each run's weight under each power, 1 for the run of the most compute."""
    found: Floats = (compute / compute.max())[None, :] ** (powers[:, None] / 2)
    return found


def _design(params: Floats, tokens: Floats, a: Floats, b: Floats) -> Floats:
    """Return the regressors [exponents, runs, coefficients]."""
    size, length = params[None, :] ** -a[:, None], tokens[None, :] ** -b[:, None]
    return np.stack([np.ones_like(size), size, length], axis=-1)


def _log_prior(exponents: Floats) -> Floats:
    found: Floats = -0.5 * (np.log(exponents / EXPONENT) / EXPONENT_SPREAD) ** 2
    return found
