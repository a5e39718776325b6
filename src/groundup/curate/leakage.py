"""Training documents that share too much with a held-out one."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHINGLE_WORDS = 5
Hashes = npt.NDArray[np.uint64]
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63], np.uint64
)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Overlap:
    """The held-out document that a training document shares most with."""

    twin_id: str
    containment: float
    """Shared shingles over those of the one of the two documents that has fewer."""


def shingles(text: str) -> Hashes:
    """Return the 64-bit hashes of all runs of 5 words of `text`, sorted, each once; case and white space do not count.

    A text of fewer words is one shingle. Among 10^6 shingles two different ones share a hash with probability below 10^-7.
    """
    words = text.casefold().split()
    numbers: dict[str, int] = {}
    positions = [numbers.setdefault(word, len(numbers)) for word in words]
    vocabulary = np.fromiter(map(_hash_word, numbers), np.uint64, len(numbers))
    hashes = vocabulary[positions] if positions else np.zeros(0, np.uint64)
    width = min(SHINGLE_WORDS, len(words))
    length = len(words) - width + 1
    mixed = np.full(length, width, np.uint64)
    for offset in range(width):
        mixed = (mixed ^ hashes[offset : offset + length]) * _MULTIPLIERS[offset]
        mixed ^= mixed >> _HALF
    return np.unique(mixed * _MIX)


def _hash_word(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


class LeakageIndex:
    """An inverted index over the held-out documents: memory grows with their text alone.

    Add every held-out document, then ask.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._added: list[Hashes] = []
        self._index: _Index | None = None

    def add(self, document_id: str, text: str) -> None:
        self._ids.append(document_id)
        self._added.append(shingles(text))
        self._index = None

    def overlap(self, text: str) -> Overlap | None:
        """Return the largest overlap of `text` with one held-out document (the first added, of equals), None if there is none."""
        if not self._ids:
            return None
        if self._index is None:
            self._index = _Index(self._added)
        own = shingles(text)
        shared = self._index.shared_with_each(own)
        containment = shared / np.minimum(self._index.sizes, len(own))
        twin = int(containment.argmax())
        return Overlap(self._ids[twin], float(containment[twin])) if shared[twin] else None


class _Index:
    """The documents of each shingle."""

    def __init__(self, documents: list[Hashes]) -> None:
        self.sizes = np.array([len(document) for document in documents], np.int64)
        owners = np.repeat(np.arange(len(documents)), self.sizes)
        hashes = np.concatenate(documents)
        order = np.argsort(hashes, kind="stable")
        self._owners = owners[order]
        self._hashes, self._starts = np.unique(hashes[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(hashes))

    def shared_with_each(self, shingles: Hashes) -> npt.NDArray[np.int64]:
        """Return for each document how many of `shingles` it has."""
        at = np.minimum(np.searchsorted(self._hashes, shingles), len(self._hashes) - 1)
        found = at[self._hashes[at] == shingles]
        counts = np.zeros(len(self.sizes), np.int64)
        for start, end in zip(self._starts[found], self._ends[found], strict=True):
            counts[self._owners[start:end]] += 1
        return counts
