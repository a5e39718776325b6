"""Which of some texts have a hash: an inverted index in arrays, made once and mapped into every worker's memory."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.arrays import open_array, write_array
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.words import Hashes, Offsets

_BLOCK = 1 << 16
"""Hashes that are looked up at once."""
_MAX_MEETINGS = 1 << 20
"""Pairs (hash, text that has it) that are counted at once, if they are of more than one document."""
_FILTER_BITS = 16
"""Of the filter for each hash: one lookup in 17 of a hash that is not there goes on to the search."""

Numbers = npt.NDArray[np.int64]
Owners = npt.NDArray[np.int32]

POSTINGS_TYPES: Final = {"hashes": np.uint64, "starts": np.int64, "owners": np.int32, "sizes": np.int64, "seen": np.uint8}


@dataclass(frozen=True)
class Meetings:
    """Pairs of a document and an indexed text that share hashes, sorted by (document, text)."""

    documents: Numbers
    texts: Numbers
    shared: Numbers


@dataclass(frozen=True)
class Postings:
    """The texts of each hash. Memory: about 22 bytes for each hash of each text, in files."""

    hashes: Hashes
    """Sorted, each once."""
    starts: Offsets
    owners: Owners
    """The texts that have hash i are `owners[starts[i]:starts[i + 1]]`, sorted."""
    sizes: Numbers
    """Hashes of each text."""
    seen: npt.NDArray[np.uint8]
    """A bit for each value of the upper bits of a hash: whether there is one."""

    @staticmethod
    def of(sets: Shingles) -> "Postings":
        """Index the hashes of some texts; each has a hash once."""
        sizes = np.diff(sets.offsets)
        hashes, starts, owners = grouped(sets.hashes, np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
        num_bytes = filter_bytes(len(sets.hashes))
        seen = filter_of(hashes, num_bytes, range(num_bytes))
        return Postings(hashes, np.append(starts, len(owners)), owners, sizes, seen)

    def write(self, folder: Path) -> None:
        """Write the index into `folder`, which exists."""
        for field in fields(self):
            write_array(folder / f"{field.name}.npy", getattr(self, field.name))

    @staticmethod
    def open(folder: Path) -> "Postings":
        """Map what `write` wrote into memory."""
        return Postings(**{name: open_array(folder / f"{name}.npy", dtype=kind) for name, kind in POSTINGS_TYPES.items()})

    def found(self, hashes: Hashes) -> tuple[Numbers, Numbers]:
        """Return the places in `hashes` of those that are indexed, and the place of each in the index."""
        if not len(self.hashes):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        slots = (hashes >> _shift(len(self.seen))).astype(np.int64)
        maybe = np.flatnonzero(self.seen[slots >> 3] >> (slots & 7).astype(np.uint8) & 1)
        at = np.searchsorted(self.hashes, hashes[maybe])
        at[at == len(self.hashes)] = 0
        is_there = self.hashes[at] == hashes[maybe]
        return maybe[is_there], at[is_there]

    def meetings(self, documents: Shingles) -> Meetings:
        """Return for each document which indexed texts it shares hashes with, and how many; it has each hash once."""
        blocks = [block for first, last in _blocks(documents.offsets) for block in self._meetings(documents, first, last)]
        columns = [np.concatenate([np.zeros(0, np.int64), *(block[k] for block in blocks)]) for k in range(3)]
        return Meetings(*columns)

    def _meetings(self, documents: Shingles, first: int, last: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
        bounds = documents.offsets[first : last + 1]
        places, at = self.found(np.asarray(documents.hashes[bounds[0] : bounds[-1]]))
        counts = self.starts[at + 1] - self.starts[at]
        total = int(counts.sum())
        if total > _MAX_MEETINGS and last - first > 1:
            middle = (first + last) // 2
            yield from self._meetings(documents, first, middle)
            yield from self._meetings(documents, middle, last)
        elif total:
            of = np.searchsorted(bounds, places + bounds[0], side="right") - 1
            steps = np.arange(total) - np.repeat(counts.cumsum() - counts, counts)
            owners = self.owners[np.repeat(self.starts[at], counts) + steps]
            pairs = np.sort(np.repeat(of, counts) * len(self.sizes) + owners)
            starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
            yield first + pairs[starts] // len(self.sizes), pairs[starts] % len(self.sizes), np.diff(starts, append=total)


def grouped(hashes: Hashes, owners: Owners) -> tuple[Hashes, Offsets, Owners]:
    """Return the hashes sorted, each once, where the owners of each begin, and all owners in that order; `owners` rise."""
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    is_new = np.ones(len(hashes), bool)
    is_new[1:] = hashes[1:] != hashes[:-1]
    return hashes[is_new], np.flatnonzero(is_new), owners[order]


def filter_bytes(num_hashes: int) -> int:
    """Return the size of the filter for so many hashes, repeats included: a power of two."""
    return 1 << (max(1, num_hashes) * _FILTER_BITS // 8 - 1).bit_length()


def filter_of(hashes: Hashes, num_bytes: int, part: range) -> npt.NDArray[np.uint8]:
    """Return these bytes of a filter of `num_bytes`; `hashes` are sorted, and all those that belong there."""
    seen = np.zeros(len(part), np.uint8)
    for start in range(0, len(hashes), _BLOCK):
        slots = (hashes[start : start + _BLOCK] >> _shift(num_bytes)).astype(np.int64)
        np.bitwise_or.at(seen, (slots >> 3) - part.start, (1 << (slots & 7)).astype(np.uint8))
    return seen


def _shift(filter_bytes: int) -> np.uint64:
    """Return by how many bits a hash is shifted to be a number of a bit of the filter, whose length is a power of two."""
    return np.uint64(64 - (8 * filter_bytes).bit_length() + 1)


def _blocks(offsets: Offsets) -> Iterator[tuple[int, int]]:
    """Yield ranges of documents that have about `_BLOCK` hashes together."""
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + _BLOCK, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last
