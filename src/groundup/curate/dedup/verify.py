"""The exact similarity of pairs of texts."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.shingles import Shingles

_BLOCK = 1 << 20
"""Shingles that are compared at once."""


def jaccard(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], shingles: Shingles) -> npt.NDArray[np.float64]:
    """Return |A and B| / |A or B| for each pair (first[i], second[i]) of texts, whose shingles are sorted, each once.

    `shingles` may be mapped from files: what is copied of it at once are some 2^20 hashes, or one pair.
    """
    sizes = np.diff(shingles.offsets)
    totals = sizes[first] + sizes[second]
    shared = np.zeros(len(first), np.int64)
    for start, end in _blocks(totals):
        shared[start:end] = _shared(first[start:end], second[start:end], shingles)
    return shared / np.maximum(totals - shared, 1)


def _blocks(totals: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    edges = totals.cumsum()
    start, done = 0, 0
    while start < len(totals):
        end = max(start + 1, int(np.searchsorted(edges, done + _BLOCK, side="right")))
        yield start, end
        start, done = end, int(edges[end - 1])


def _shared(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], shingles: Shingles) -> npt.NDArray[np.int64]:
    """Return how many hashes each pair shares: those that stand twice once both sets are sorted together."""
    texts = np.stack([first, second], axis=1).reshape(-1)
    begins, ends = shingles.offsets[texts].tolist(), shingles.offsets[texts + 1].tolist()
    hashes = np.concatenate([shingles.hashes[begin:end] for begin, end in zip(begins, ends, strict=True)])
    sizes = np.subtract(ends, begins).reshape(-1, 2).sum(axis=1)
    edges = np.concatenate([np.zeros(1, np.int64), sizes.cumsum()])
    for begin, end in pairwise(edges.tolist()):
        hashes[begin:end].sort()
    twice = np.zeros(len(hashes) + 1, np.int64)
    twice[1 : len(hashes)] = hashes[1:] == hashes[:-1]
    twice[edges[1:-1]] = 0
    seen = twice.cumsum()
    shared: npt.NDArray[np.int64] = seen[np.maximum(edges[1:] - 1, edges[:-1])] - seen[edges[:-1]]
    return shared
