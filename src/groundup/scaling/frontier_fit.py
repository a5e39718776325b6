"""Power laws of the best size and tokens under compute: approaches 1 and 2 of Hoffmann et al. 2022."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import ConfigError, DataError
from groundup.scaling.config import FitConfig
from groundup.scaling.frontier import FEWEST, Best, envelope, training_curves, valleys
from groundup.scaling.points import Points
from groundup.scaling.spans import spans_of

Array = NDArray[np.float64]
NAMES = ("N_coef", "a", "D_coef", "b")
MOST_DRAWS = 1000


@dataclass(frozen=True)
class Frontier:
    """Best runs, and constants of resamples of what they were found among."""

    best: list[Best]
    draws: Array
    without: list[dict[str, object]]


def fit_frontier(points: Points, config: FitConfig) -> Fit:
    """Fit N* = N_coef C^a and D* = D_coef C^b to the best runs; raise DataError where there are fewer than three of them."""
    if config.fixed:
        raise ConfigError(f"--fix {next(iter(config.fixed))}: {config.law} has no constants that can be fixed; leave it out")
    frontier = (_isoflop if config.law == "isoflop" else _envelope)(points, config)
    constants = _powers(frontier.best)
    flops = np.array([best.flops for best in frontier.best])
    left = np.log([best.params for best in frontier.best]) - np.log(constants[0]) - constants[1] * np.log(flops)
    freedom = float(max(len(left) - 2, 1))
    square = float((left**2).sum())
    draws = frontier.draws
    return Fit.parse(
        {
            "law": config.law,
            "objective": "lsq",
            "params": dict(zip(NAMES, constants.tolist(), strict=True)),
            "standard_errors": dict(zip(NAMES, draws.std(0, ddof=1).tolist(), strict=True)) if len(draws) > 1 else {},
            "intervals_95": {
                name: tuple(np.quantile(values, (0.025, 0.975)).tolist()) for name, values in zip(NAMES, draws.T, strict=True)
            }
            if len(draws) > 1
            else {},
            "optimal": {"a": float(constants[1]), "b": float(constants[3])},
            "objective_value": square,
            "points_used": len(points),
            "runs_used": points.num_runs,
            "dropped": [*points.dropped, *frontier.without],
            "counts": config.counts,
            "spans": spans_of(points),
            "residual_std": float(np.sqrt(square / freedom)),
            "residuals": [float(f"{value:.6g}") for value in left],
            "degrees_of_freedom": freedom,
            "bootstrap": len(draws),
            "resampling": "none" if not len(draws) else "residuals" if config.law == "isoflop" else "runs",
            "draws": [[float(f"{value:.10g}") for value in row] for row in draws[:MOST_DRAWS]],
            "frontier": [vars(best) for best in frontier.best],
            "warnings": _doubts(points, frontier),
            "seed": config.seed,
        },
        "fit",
    )


def _isoflop(points: Points, config: FitConfig) -> Frontier:
    """Resamples move the minima as they scatter about the line, which holds the noise of the losses and of the grid of sizes."""
    best, without = valleys(points, config.valley or "akima")
    if len(best) < FEWEST:
        told = "; ".join(f"{each['flops']:.3g} FLOPs: {each['because']}" for each in without[:4])
        raise DataError(
            f"{len(best)} budgets have a best size inside their sizes, {FEWEST} are needed ({told}); add sizes on the side that is "
            "missing, or fit --law chinchilla, which needs no budgets"
        )
    return Frontier(best, _scattered(best, config.bootstrap, config.seed), without)


def _envelope(points: Points, config: FitConfig) -> Frontier:
    curves = training_curves(points)
    everyone = np.arange(len(curves.params))
    best = envelope(curves, everyone)
    if len(best) < FEWEST:
        raise DataError(
            f"{len(best)} sizes between the smallest and the largest are the best at some compute, {FEWEST} are needed; add "
            "runs of "
            "sizes between, or longer ones, or fit --law chinchilla"
        )
    random = np.random.default_rng(config.seed)
    draws = []
    for _ in range(config.bootstrap):
        found = envelope(curves, np.unique(random.integers(0, len(everyone), len(everyone))))
        if len(found) >= FEWEST:
            draws.append(_powers(found))
    if len(draws) < 0.5 * config.bootstrap:
        raise DataError(
            f"of {config.bootstrap:,} resamples of the runs {config.bootstrap - len(draws):,} leave fewer than {FEWEST} best "
            "sizes; add "
            "runs, or fit with --bootstrap 0 for the line without an interval"
        )
    return Frontier(best, np.array(draws).reshape(-1, len(NAMES)), [])


def _powers(best: list[Best]) -> Array:
    """Return N_coef, a, D_coef, b by least squares of logarithms."""
    flops, targets = _logs(best)
    slope, level = np.polyfit(flops, targets, 1)
    return np.array([np.exp(level[0]), slope[0], np.exp(level[1]), slope[1]])


def _scattered(best: list[Best], count: int, seed: int) -> Array:
    """Return constants [count, 4] of lines through minima with errors like those about the line.

    Errors of size and tokens are normal with the covariance of the residuals, itself drawn as its degrees of freedom allow, so that
    constants are spread by Student's t as in the textbook.
    """
    flops, targets = _logs(best)
    lines = np.polyfit(flops, targets, 1)
    fitted = np.outer(flops, lines[0]) + lines[1]
    left, freedom = targets - fitted, max(len(best) - 2, 1)
    values, vectors = np.linalg.eigh(left.T @ left / freedom)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    random = np.random.default_rng(seed)
    wide = np.sqrt(freedom / np.asarray(random.chisquare(freedom, count)))
    errors = random.standard_normal((count, len(best), 2)) @ root.T * wide[:, None, None]
    drawn = np.polyfit(flops, (fitted + errors).transpose(1, 0, 2).reshape(len(best), -1), 1).reshape(2, count, 2)
    slope, level = drawn
    return np.stack([np.exp(level[:, 0]), slope[:, 0], np.exp(level[:, 1]), slope[:, 1]], axis=1)


def _logs(best: list[Best]) -> tuple[Array, Array]:
    """Return log compute [best], and log size and tokens [best, 2]."""
    return np.log([each.flops for each in best]), np.log([[each.params, each.tokens] for each in best])


def _doubts(points: Points, frontier: Frontier) -> list[str]:
    if not frontier.without:
        return []
    return [
        f"{len(frontier.without)} budgets of {len(frontier.without) + len(frontier.best)} have no best size inside; see dropped"
    ]
