"""Sorting more 64-bit numbers than fit into memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from groundup.core.files import storage_errors
from groundup.curate.dedup.arrays import ArrayWriter, open_array
from groundup.curate.dedup.words import Hashes

_COPIES = 4
"""Of a block of numbers: as it came, joined, sorted, and what of it is new."""
_BITS = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
MAX_NUMBER = 1 << 32


def pack(first: Hashes, second: Hashes) -> Hashes:
    """Return pairs of numbers below 2^32 as one number each, sorted as the pairs are."""
    return first.astype(np.uint64) << _BITS | second.astype(np.uint64)


def unpack(packed: Hashes) -> tuple[Hashes, Hashes]:
    """Return the pairs that `pack` packed."""
    return packed >> _BITS, packed & _LOW


def sorted_set(values: Hashes) -> Hashes:
    """Sort `values` in place and return each once (`numpy.unique` hashes instead, ten times slower)."""
    values.sort()
    is_new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values[is_new]


class SortedSet:
    """Takes numbers in any order, writes them sorted, each once, in memory of `memory_bytes`; the rest lies in runs in `folder`."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._folder = folder
        self._block = max(1, memory_bytes // (_COPIES * 8))
        self._runs: list[Path] = []
        self._waiting: list[Hashes] = []
        self._num_waiting = 0

    def add(self, values: Hashes) -> None:
        """Take more numbers, in any order."""
        for start in range(0, len(values), self._block):
            piece = values[start : start + self._block]
            if self._num_waiting + len(piece) > self._block:
                self._spill()
            self._waiting.append(piece)
            self._num_waiting += len(piece)

    def write(self, path: Path) -> int:
        """Write all numbers to `path` as one sorted .npy file and clear the runs; return how many there are."""
        self._spill()
        total = 0
        with ArrayWriter(path) as writer:
            for block in merged([open_array(run) for run in self._runs], self._block):
                writer.write(block)
                total += len(block)
        for run in self._runs:
            with storage_errors(run):
                run.unlink()
        return total

    def _spill(self) -> None:
        if self._waiting:
            run = self._folder / f"run-{len(self._runs):05}.npy"
            values = sorted_set(np.concatenate(self._waiting))
            self._waiting, self._num_waiting = [], 0
            with storage_errors(run):
                np.save(run, values)
            self._runs.append(run)


def merged(runs: Sequence[Hashes], block: int) -> Iterator[Hashes]:
    """Yield the numbers of sorted runs, sorted and each once, in pieces of about `block`."""
    starts = np.zeros(len(runs), np.int64)
    for bound in [*_bounds(runs, block), None]:
        ends = np.array([len(run) if bound is None else np.searchsorted(run, bound, side="right") for run in runs], np.int64)
        if (ends > starts).any():
            yield sorted_set(np.concatenate([run[start:end] for run, start, end in zip(runs, starts, ends, strict=True)]))
        starts = ends


def _bounds(runs: Sequence[Hashes], block: int) -> list[np.uint64]:
    """Return numbers between which about `block` numbers of the runs lie: every n-th of a sorted sample of them."""
    step = max(1, block // (2 * max(1, len(runs))))
    sample = np.sort(np.concatenate([run[::step] for run in runs])) if runs else np.zeros(0, np.uint64)
    return list(sample[:: max(1, block // (2 * step))])
