"""How many of some shares lie in each hundredth."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

EDGES = tuple(step / 100 for step in range(101))
"""A bin holds its lower edge and not its upper one; the last is that of 1 alone."""


def binned(shares: Sequence[float] | npt.NDArray[np.float64]) -> list[int]:
    """Return the counts of shares, each between 0 and 1, by bin."""
    bins = np.searchsorted(np.array(EDGES), np.asarray(shares, np.float64), side="right") - 1
    counts: list[int] = np.bincount(bins, minlength=len(EDGES)).tolist()
    return counts
