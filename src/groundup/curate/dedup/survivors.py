"""Which of near-duplicate documents are kept."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
KEPT = -1
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Survivors:
    """What becomes of the documents that are in a verified pair; others are kept."""

    documents: Numbers
    """Sorted."""
    twins: Numbers
    """For each the kept document that it repeats, `KEPT` if it is kept itself."""
    similarities: npt.NDArray[np.float64]
    """The Jaccard similarity with the twin; 0 for a kept one."""
    clusters: Numbers
    """The lowest number of the documents that are linked with it by pairs, directly or through others."""


def survivors(first: Numbers, second: Numbers, similarities: npt.NDArray[np.float64], ranks: npt.NDArray[np.uint64]) -> Survivors:
    """Decide in the order of (rank, number): a document goes if a pair joins it with one that is kept, else it is kept.

    So a dropped document is as similar to its recorded twin as the pairs are, and no two kept ones are a pair. Of several kept
    neighbours the twin is the most similar, then the first. Pairs are in any order; `ranks[i]` is that of the i-th of the documents
    in them, by number. Memory: about 100 bytes a pair.
    """
    documents, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, other = places[: len(first)], places[len(first) :]
    order = np.lexsort((documents, ranks))
    turns = np.empty(len(documents), np.int64)
    turns[order] = np.arange(len(documents))
    later, earlier = np.maximum(turns[one], turns[other]), np.minimum(turns[one], turns[other])
    by_turn = np.lexsort((earlier, -similarities, later))
    twins, found = _decided(later[by_turn], earlier[by_turn], similarities[by_turn], len(documents))
    twins = np.where(twins == KEPT, KEPT, documents[order][twins])
    return Survivors(documents, twins[turns], found[turns], documents[clusters(one, other, len(documents))])


def _decided(
    later: Numbers, earlier: Numbers, similarities: npt.NDArray[np.float64], number: int
) -> tuple[Numbers, npt.NDArray[np.float64]]:
    """Return the twin of each turn and the similarity; links are sorted by (later, similarity falling, earlier)."""
    is_kept = bytearray(b"\x01") * number
    twins, found = np.full(number, KEPT, np.int64), np.zeros(number)
    for start in range(0, len(later), _BLOCK):
        block = slice(start, start + _BLOCK)
        for one, other, similarity in zip(
            later[block].tolist(), earlier[block].tolist(), similarities[block].tolist(), strict=True
        ):
            if is_kept[one] and is_kept[other]:
                is_kept[one] = 0
                twins[one], found[one] = other, similarity
    return twins, found


def clusters(first: Numbers, second: Numbers, number: int) -> Numbers:
    """Return for each of `number` nodes the lowest one that it is linked with (connected components).

    Trees are hung under lower roots and flattened, round by round (Shiloach & Vishkin 1982).
    """
    roots = np.arange(number)
    while len(first):
        a, b = roots[first], roots[second]
        apart = a != b
        first, second, a, b = first[apart], second[apart], a[apart], b[apart]
        np.minimum.at(roots, np.maximum(a, b), np.minimum(a, b))
        while (roots[roots] != roots).any():
            roots = roots[roots]
    return roots
