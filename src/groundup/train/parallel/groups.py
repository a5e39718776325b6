"""Groups of ranks, each made once: one of gloo has threads of its own, of which one wakes a hundred times a second."""

import math
from collections.abc import Callable, Hashable
from datetime import timedelta
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch.distributed as dist

Grid = npt.NDArray[np.int64]

_made: WeakKeyDictionary[dist.ProcessGroup, dict[Hashable, dist.ProcessGroup | None]] = WeakKeyDictionary()
"""By the group of all ranks, with which they end."""


def along(ranks: Grid, *axes: int) -> dist.ProcessGroup:
    """Return this rank and those that stand elsewhere along these axes of `ranks` alone; all ranks call this together."""
    size = math.prod(ranks.shape[axis] for axis in axes)
    group = among(np.moveaxis(ranks, axes, range(-len(axes), 0)).reshape(-1, size))
    assert group is not None, "ranks holds all"
    return group


def among(rows: Grid) -> dist.ProcessGroup | None:
    """Return the ranks of that row in which this one is; None if it is in none. All ranks call this together, on the same rows.

    A row of all ranks is the world, and a rank by itself has one group with itself, whatever it is alone along.
    """
    rank, size = dist.get_rank(), rows.shape[1]
    is_in = (rows == rank).any()
    if size == dist.get_world_size():
        return dist.group.WORLD
    if size == 1:
        return _once("itself", lambda: dist.new_group([rank], use_local_synchronization=True)) if is_in else None
    in_order = tuple(map(tuple, sorted(rows.tolist())))

    def make() -> dist.ProcessGroup | None:
        groups = [dist.new_group(row) for row in in_order]
        return next((group for row, group in zip(in_order, groups, strict=True) if rank in row), None)

    return _once(in_order, make)


def of_a_thread(timeout: timedelta) -> dist.ProcessGroup:
    """Return another group of all ranks, for one thread to use beside the run; all ranks call this together."""
    group = _once(timeout, lambda: dist.new_group(backend="gloo", timeout=timeout))
    assert group is not None, "all are in it"
    return group


def _once(key: Hashable, make: Callable[[], dist.ProcessGroup | None]) -> dist.ProcessGroup | None:
    world = dist.group.WORLD
    assert world is not None, "joined"
    known = _made.setdefault(world, {})
    if key not in known:
        known[key] = make()
    return known[key]
