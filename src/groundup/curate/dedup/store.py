"""Shingles of the documents that are to be compared, in files."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.arrays import open_array, write_array
from groundup.curate.dedup.runs import SortedSet, unpack
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.verify import jaccard
from groundup.curate.dedup.words import Hashes

_BLOCK = 1 << 12
"""Pairs whose shingles are in memory at once: some 16 MB for documents of 1.5 kB."""


def write_involved(pairs: Hashes, out: Path, memory_bytes: int) -> int:
    """Write the sorted numbers of all documents of `pack`ed pairs to `out`; return how many there are."""
    numbers = SortedSet(out.parent, memory_bytes)
    for start in range(0, len(pairs), _BLOCK):
        for column in unpack(pairs[start : start + _BLOCK]):
            numbers.add(column)
    return numbers.write(out)


def write_shingles(folder: Path, numbers: Hashes, sets: Shingles) -> None:
    """Write the shingles of a part's documents with these numbers (sorted) into `folder`, which exists."""
    write_array(folder / "hashes.npy", sets.hashes)
    write_array(folder / "offsets.npy", sets.offsets)
    write_array(folder / "numbers.npy", numbers.astype(np.uint64))


class ShingleStore:
    """What `write_shingles` wrote of some parts, in the order of their documents."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder for folder in folders if len(open_array(folder / "numbers.npy"))]
        self._firsts = np.array([open_array(folder / "numbers.npy")[0] for folder in self._folders], np.uint64)

    def of(self, numbers: Hashes) -> Shingles:
        """Return the shingles of the documents with these numbers, which are sorted, each once."""
        edges = [0, *np.searchsorted(numbers, self._firsts[1:]).tolist(), len(numbers)]
        pieces = [
            part
            for folder, (start, end) in zip(self._folders, pairwise(edges), strict=True)
            for part in _of(folder, numbers[start:end])
        ]
        sizes = np.array([len(piece) for piece in pieces], np.int64)
        flat = np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)
        return Shingles(flat, np.concatenate([np.zeros(1, np.int64), sizes.cumsum()]))

    def similarities(self, pairs: Hashes) -> npt.NDArray[np.float64]:
        """Return the Jaccard similarity of each of some `pack`ed pairs, in blocks."""
        blocks = [self._block(pairs[start : start + _BLOCK]) for start in range(0, len(pairs), _BLOCK)]
        return np.concatenate([np.zeros(0), *blocks])

    def _block(self, pairs: Hashes) -> npt.NDArray[np.float64]:
        numbers, places = np.unique(np.concatenate(unpack(pairs)), return_inverse=True)
        first, second = places.reshape(2, -1)
        return jaccard(first, second, self.of(numbers))


def _of(folder: Path, numbers: Hashes) -> Iterator[Hashes]:
    if len(numbers):
        known, offsets = open_array(folder / "numbers.npy"), open_array(folder / "offsets.npy", dtype=np.int64)
        hashes = open_array(folder / "hashes.npy")
        at = np.searchsorted(known, numbers)
        missing = (at == len(known)) | (known[np.minimum(at, len(known) - 1)] != numbers)
        assert not missing.any(), f"{folder}: document {numbers[missing][:1]} is in a pair and has no shingles"
        for start, end in zip(offsets[at].tolist(), offsets[at + 1].tolist(), strict=True):
            yield hashes[start:end]
