"""Arrays of groups of unequal sizes, laid end to end."""

import numpy as np
from jaxtyping import Int64

from groundup.train.randomness import Ints


def group_starts(sizes: Int64[np.ndarray, " groups"]) -> Int64[np.ndarray, " groups"]:
    """Return where each group begins."""
    return np.cumsum(sizes) - sizes  # type: ignore[no-any-return]


def places(sizes: Int64[np.ndarray, " groups"]) -> Int64[np.ndarray, " items"]:
    """Return each item's place within its group: sizes (2, 3) give 0 1 0 1 2."""
    return np.arange(int(sizes.sum()), dtype=np.int64) - np.repeat(group_starts(sizes), sizes)  # type: ignore[no-any-return]


def sums(values: Int64[np.ndarray, " items"], sizes: Int64[np.ndarray, " groups"]) -> Int64[np.ndarray, " groups"]:
    """Return the sum of each group, 0 for one of no items."""
    before, ends = _before(values), np.cumsum(sizes)
    return before[ends] - before[ends - sizes]  # type: ignore[no-any-return]


def running_sums(values: Int64[np.ndarray, " items"], sizes: Int64[np.ndarray, " groups"]) -> Int64[np.ndarray, " items"]:
    """Return the sum of each item and those before it in its group."""
    before = _before(values)
    return before[1:] - np.repeat(before[group_starts(sizes)], sizes)  # type: ignore[no-any-return]


def padded(
    values: Int64[np.ndarray, " items"], sizes: Int64[np.ndarray, " rows"], width: int, fill: int
) -> Int64[np.ndarray, "rows width"]:
    """Return the groups as rows of `width`, filled up with `fill`."""
    if (sizes == width).all():
        return values.reshape(len(sizes), width)
    assert sizes.max(initial=0) <= width, "rows were made to fit"
    grid = np.full((len(sizes), width), fill, dtype=np.int64)
    grid[np.arange(width) < sizes[:, None]] = values
    return grid


def _before(values: Ints) -> Ints:
    """Return the sum of all items before each, and of all."""
    result = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=result[1:])
    return result
