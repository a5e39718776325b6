"""Training documents that share too much with a held-out one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.shingles import shingles
from groundup.curate.dedup.words import Hashes


@dataclass(frozen=True)
class Overlap:
    """The held-out document that a training document shares most with."""

    twin_id: str
    containment: float
    """Shared shingles over those of the one of the two documents that has fewer."""


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

    def add_shingles(self, document_id: str, hashes: Hashes) -> None:
        """Add a held-out document by what `shingles` gave of it."""
        self._ids.append(document_id)
        self._added.append(hashes)
        self._index = None

    def overlap(self, text: str) -> Overlap | None:
        """Return the largest overlap of `text` with one held-out document (the first added, of equals), None if there is none."""
        return self.overlap_of(shingles(text))

    def overlap_of(self, own: Hashes) -> Overlap | None:
        """Return the largest overlap of a text with these shingles."""
        if not self._ids:
            return None
        if self._index is None:
            self._index = _Index(self._added)
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
