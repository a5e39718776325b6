"""The best size and tokens of each compute, without a law of the loss: valleys of isoFLOP runs, the envelope of curves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator

from groundup.core.errors import DataError
from groundup.scaling.points import Points

Array = NDArray[np.float64]
ValleyName = Literal["akima", "parabola"]
SAME_COMPUTE = 1.1
"""Runs within this of each other in compute are of one budget."""
FEWEST = 3
"""Budgets that a power law is drawn through at least; sizes of a budget too."""
PARABOLA_SPAN = 8.0
"""A parabola is drawn through sizes within this times and divided of the best one: valleys are none far from it."""
ENVELOPE_STEPS = 400
"""Values of compute at which the best curve is looked up."""


@dataclass(frozen=True)
class Best:
    """The best run of one compute."""

    flops: float
    params: float
    tokens: float
    loss: float


def valleys(points: Points, how: ValleyName) -> tuple[list[Best], list[dict[str, object]]]:
    """Return the minimum of each isoFLOP valley over log size, and the budgets without one, with why.

    `akima` follows the points by Akima's spline in log loss (Porian et al. 2024); `parabola` is least squares through sizes near
    the best (Hoffmann et al. 2022, approach 2), and biased where the valley is not one.
    """
    order = np.argsort(points.flops, kind="stable")
    breaks = np.flatnonzero(np.diff(np.log(points.flops[order])) > np.log(SAME_COMPUTE)) + 1
    found, without = [], []
    for members in np.split(order, breaks):
        best, why = _valley(points.take(np.isin(np.arange(len(points)), members)), how)
        if best is None:
            without.append({"flops": float(np.median(points.flops[members])), "points": len(members), "because": why})
        else:
            found.append(best)
    return found, without


def _valley(points: Points, how: ValleyName) -> tuple[Best | None, str]:
    sizes = np.unique(points.params)
    if len(sizes) < FEWEST:
        return None, f"{len(sizes)} sizes, fewer than {FEWEST}"
    lowest = np.array([points.loss[points.params == size].min() for size in sizes])
    tokens = np.array([points.tokens[points.params == size][points.loss[points.params == size].argmin()] for size in sizes])
    minimum = MINIMA[how](np.log(sizes), np.log(lowest), int(lowest.argmin()))
    if minimum is None:
        side = "smallest" if lowest[0] < lowest[-1] else "largest"
        return None, f"no minimum inside its sizes; the loss falls towards the {side}"
    flops = float(np.exp(np.log(points.flops).mean()))
    log_tokens = float(np.interp(minimum[0], np.log(sizes), np.log(tokens)))
    return Best(flops, float(np.exp(minimum[0])), float(np.exp(log_tokens)), float(np.exp(minimum[1]))), ""


def _akima(sizes: Array, losses: Array, best: int) -> tuple[float, float] | None:
    """Return place and value of the lowest point of Akima's spline."""
    spline = Akima1DInterpolator(sizes, losses)
    stationary = np.asarray(spline.derivative().roots(extrapolate=False))
    candidates = np.concatenate([stationary[np.isfinite(stationary)], sizes[[best]]])
    place = float(candidates[spline(candidates).argmin()])
    return (place, float(spline(place))) if sizes[0] < place < sizes[-1] else None


def _parabola(sizes: Array, losses: Array, best: int) -> tuple[float, float] | None:
    """Return place and value of the minimum of the parabola through the sizes near the best."""
    if best in (0, len(sizes) - 1):
        return None
    distance = np.abs(sizes - sizes[best])
    near = distance <= max(np.log(PARABOLA_SPAN), np.sort(distance)[min(3, len(sizes) - 1)])
    curvature, slope, level = np.polyfit(sizes[near] - sizes[best], losses[near], 2)
    if curvature <= 0:
        return None
    place = -slope / (2 * curvature)
    inside = sizes[0] <= sizes[best] + place <= sizes[-1]
    return (float(sizes[best] + place), float(level + slope * place / 2)) if inside else None


MINIMA = {"akima": _akima, "parabola": _parabola}


@dataclass(frozen=True)
class Curves:
    """Training curves on one grid of compute."""

    flops: Array
    params: Array
    """[runs]"""
    tokens_per_flop: Array
    """[runs]"""
    log_loss: Array
    """[runs, steps of the grid]; infinite where a run was not."""


def training_curves(points: Points) -> Curves:
    """Return each run's log loss, linear in log compute between its points."""
    counts = np.bincount(points.run, minlength=points.num_runs)
    if (counts >= 2).sum() < FEWEST:
        raise DataError(
            f"{(counts >= 2).sum()} runs have more than one point; the envelope of training curves needs {FEWEST} of them: "
            "give the "
            "losses along each run under one run_id, or fit --law isoflop or chinchilla"
        )
    curved = [np.flatnonzero(points.run == run) for run in np.flatnonzero(counts >= 2)]
    ends = [(points.flops[members].min(), points.flops[members].max()) for members in curved]
    grid = np.geomspace(min(low for low, _ in ends), max(high for _, high in ends), ENVELOPE_STEPS)
    rows = []
    for members in curved:
        order = members[np.argsort(points.flops[members])]
        logs = np.interp(np.log(grid), np.log(points.flops[order]), np.log(points.loss[order]))
        outside = (grid < points.flops[order[0]] * (1 - 1e-9)) | (grid > points.flops[order[-1]] * (1 + 1e-9))
        rows.append(np.where(outside, np.inf, logs))
    last = [members[points.flops[members].argmax()] for members in curved]
    return Curves(grid, points.params[last], points.tokens[last] / points.flops[last], np.array(rows))


def envelope(curves: Curves, runs: NDArray[np.int64]) -> list[Best]:
    """Return the best of the chosen runs at each compute, one for each stretch on which a run is the best (approach 1).

    A stretch counts once, at its middle in log compute. The smallest and the largest run have none: how far theirs go is not known.
    """
    losses = curves.log_loss[runs]
    lowest, winner = losses.min(0), losses.argmin(0)
    known = np.flatnonzero(np.isfinite(lowest))
    sizes, per_flop = curves.params[runs], curves.tokens_per_flop[runs]
    found = []
    for stretch in np.split(known, np.flatnonzero(np.diff(sizes[winner[known]])) + 1):
        size = sizes[winner[stretch[0]]]
        if size in (sizes.min(), sizes.max()):
            continue
        middle = stretch[len(stretch) // 2]
        flops = curves.flops[middle]
        found.append(Best(float(flops), float(size), float(flops * per_flop[winner[middle]]), float(np.exp(lowest[middle]))))
    return found
