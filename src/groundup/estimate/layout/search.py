"""The fastest layouts that fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundup.core.errors import BudgetError, ConfigError
from groundup.estimate.device_memory import Memory
from groundup.estimate.layout.candidates import Rejected, candidates
from groundup.estimate.layout.grid import Grid, Ints
from groundup.estimate.layout.priors import Priors, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.rooms import Rooms, memory_of
from groundup.estimate.layout.step import StepTimes, step_times
from groundup.train.parallel.config import Layout

GIB = 2**30
MORE_DEVICES = 6
"""Doublings of the devices that are tried where nothing fits."""


@dataclass(frozen=True)
class Candidate:
    """A layout that fits, with what is predicted of it."""

    layout: Layout
    memory: Memory
    parts_s: Mapping[str, float]
    """Seconds of a step by part (`StepTimes`)."""
    step_s: float
    tokens_per_s_per_device: float
    mfu: float
    mfu_interval: tuple[float, float]
    """90 % of published runs, those of their family unseen, lie within."""
    hfu: float
    """With what is computed again."""


@dataclass(frozen=True)
class Search:
    """The best layouts, the fastest first, and what was rejected."""

    problem: Problem
    found: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    considered: int
    fitting: int

    @property
    def best(self) -> Candidate:
        return self.found[0]


def search(problem: Problem, top: int = 5, pinned: Mapping[str, Any] | None = None, priors: Priors | None = None) -> Search:
    """Return the `top` fastest layouts that fit, one for each mesh (dp, tp, pp, cp): the best of its kind.

    Raises ConfigError if none divides, BudgetError with the nearest way if none fits.
    """
    priors = priors or shipped_priors()
    divided = candidates(problem, pinned)
    grid = divided.grid
    rooms = Rooms(problem, grid)
    fitting = rooms.fitting
    if not len(fitting):
        raise BudgetError(_too_large(problem, rooms, pinned or {}))
    times = step_times(problem, grid, priors)
    chosen = _best_of_meshes(grid, times, fitting)[:top]
    found = tuple(_candidate(problem, grid.layout(place, problem.precision), times, place, priors) for place in chosen)
    return Search(problem, found, (*divided.rejected, *rooms.rejected), len(grid), len(fitting))


def best_layout(problem: Problem, pinned: Mapping[str, Any] | None = None) -> Layout:
    """Return the fastest layout that fits, for a recipe or the engine; errors as of `search`."""
    return search(problem, 1, pinned).best.layout


def assess(problem: Problem, layout: Layout, priors: Priors | None = None) -> Candidate:
    """Return what is predicted of one layout, whether it fits or not."""
    priors = priors or shipped_priors()
    return _candidate(problem, layout, step_times(problem, [layout], priors), 0, priors)


def _candidate(problem: Problem, layout: Layout, times: StepTimes, place: int, priors: Priors) -> Candidate:
    step_s = float(times.total_s[place])
    mfu = problem.model_flops / (step_s * problem.devices * problem.peak_flops_per_s)
    low, high = priors.interval(problem.hardware.name)
    return Candidate(
        layout=layout,
        memory=memory_of(problem, layout),
        parts_s=times.parts(place),
        step_s=step_s,
        tokens_per_s_per_device=problem.tokens / step_s / problem.devices,
        mfu=mfu,
        mfu_interval=(mfu * low, min(mfu * high, 1.0)),
        hfu=mfu * (1 + problem.recomputed_flops(layout.recompute) / problem.model_flops),
    )


def _best_of_meshes(grid: Grid, times: StepTimes, fitting: Ints) -> list[int]:
    """Return the places of the fastest layout of each mesh, the fastest first; of equals the plainest."""
    order = fitting[np.argsort(times.total_s[fitting], kind="stable")]
    meshes = np.stack([grid.dp, grid.tp, grid.pp, grid.cp], axis=1)[order]
    _, firsts = np.unique(meshes, axis=0, return_index=True)
    return [int(order[first]) for first in np.sort(firsts)]


def _too_large(problem: Problem, rooms: Rooms, pinned: Mapping[str, Any]) -> str:
    """Say what the smallest layout needs, and the nearest change under which one fits."""
    place, needed = rooms.smallest
    layout = rooms.grid.layout(place, problem.precision)
    device = problem.hardware
    ways = [*_freed(problem, pinned), *_more_devices(problem, pinned)] or ["a smaller model, or devices with more memory"]
    return (
        f"none of {len(rooms.grid):,} layouts of {problem.devices} {device.name} fits: the smallest ({words(layout)}) needs "
        f"{needed / GIB:.1f} GiB of {device.memory_gib:.1f} GiB a device; the nearest that fits: {'; or '.join(ways)}"
    )


def _freed(problem: Problem, pinned: Mapping[str, Any]) -> list[str]:
    """Return which of the keys that were said would have to be left open."""
    ways = []
    for key in ("micro_batch", "recompute", "offload", "zero"):
        if pinned.get(key) is None:
            continue
        others = {name: value for name, value in pinned.items() if name not in (key, "sharding_factor" if key == "zero" else key)}
        rooms = Rooms(problem, candidates(problem, others).grid)
        if len(rooms.fitting):
            ways.append(f"{key}={getattr(rooms.grid.layout(int(rooms.fitting[0]), problem.precision), key)}")
    return ways


def _more_devices(problem: Problem, pinned: Mapping[str, Any]) -> list[str]:
    free = {key: value for key, value in pinned.items() if key != "dp"}
    for power in range(1, MORE_DEVICES + 1):
        devices = problem.devices * 2**power
        batch = max(1, -(-problem.batch_sequences // devices)) * devices
        larger = problem.on(devices, problem.batch_sequences if problem.batch_sequences % devices == 0 else batch)
        try:
            rooms = Rooms(larger, candidates(larger, free).grid)
        except ConfigError:
            continue
        if len(rooms.fitting):
            return [f"{devices:,} devices ({words(rooms.grid.layout(int(rooms.fitting[0]), problem.precision))})"]
    return []


def words(layout: Layout) -> str:
    """Return a layout in short: what is not 1, none or 0."""
    axes = [f"{key}={getattr(layout, key)}" for key in ("dp", "tp", "pp", "cp") if getattr(layout, key) > 1]
    zero = [f"zero={layout.zero}" + (f" of {layout.shards}" if layout.zero == 3 and layout.shards < layout.dp else "")]
    rest = [f"{key}={getattr(layout, key)}" for key in ("recompute", "offload") if getattr(layout, key) != "none"]
    return ", ".join([*axes, *(zero if layout.dp > 1 else []), f"micro-batch {layout.micro_batch}", *rest])
