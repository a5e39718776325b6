"""Training documents that share too much with a held-out one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.postings import Postings
from groundup.curate.dedup.shingles import Shingles, shingle_sets


@dataclass(frozen=True)
class Overlap:
    """The held-out document that a training document shares most with."""

    twin_id: str
    containment: float
    """Shared shingles over those of the one of the two documents that has fewer."""


class LeakageIndex:
    """The held-out documents by their shingles: memory grows with their text alone, and is shared if `postings` are mapped."""

    def __init__(self, ids: Sequence[str], postings: Postings) -> None:
        self._ids, self._postings = ids, postings

    @staticmethod
    def of(ids: Sequence[str], texts: Sequence[str]) -> "LeakageIndex":
        """Index these held-out texts."""
        return LeakageIndex(ids, Postings.of(shingle_sets(texts)))

    def overlap(self, text: str) -> Overlap | None:
        """Return the largest overlap of `text` with one held-out document (the first, of equals), None if there is none."""
        return self.overlaps(shingle_sets([text])).get(0)

    def overlaps(self, documents: Shingles) -> dict[int, Overlap]:
        """Return the largest overlap of each document that shares anything with a held-out one."""
        met = self._postings.meetings(documents)
        fewer = np.minimum(np.diff(documents.offsets)[met.documents], self._postings.sizes[met.texts])
        containment: npt.NDArray[np.float64] = met.shared / np.maximum(fewer, 1)
        order = np.lexsort((met.texts, -containment, met.documents))
        best = order[np.diff(met.documents[order], prepend=-1) != 0]
        rows = zip(met.documents[best].tolist(), met.texts[best].tolist(), containment[best].tolist(), strict=True)
        return {document: Overlap(self._ids[text], share) for document, text, share in rows}
