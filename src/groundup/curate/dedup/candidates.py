"""Pairs of documents that share a band of their MinHash signatures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from groundup.core.errors import DataError
from groundup.curate.dedup.arrays import Columns
from groundup.curate.dedup.heads import Records, joined_with_heads
from groundup.curate.dedup.runs import MAX_NUMBER, SortedSet, pack
from groundup.curate.dedup.words import Hashes

MAX_ALL_PAIRS = 32
"""The largest group of documents with one key in which each is compared with each other one."""


def write_candidates(
    bands: Columns,
    out: Path,
    memory_bytes: int,
    ranks: Columns | None = None,
    excluded: Hashes | None = None,
) -> int:
    """Write the pairs of documents that share a band to `out` (sorted `pack`ed numbers, the lower one first); return how many.

    Of documents with one key the first `MAX_ALL_PAIRS` by (rank, number) are paired all with all, and each other one with these:
    a group of n documents (a menu, a licence) gives 32 n pairs, not n^2 / 2. `ranks` has one column; without it the number is
    the rank. `excluded` are the sorted numbers of documents that take no part. Memory: a quarter of `memory_bytes`
    for the pairs, the rest for the keys of one range of one band.
    """
    check_numbers(bands.num_documents)
    pairs = SortedSet(out.parent, memory_bytes // 4)
    for band in range(bands.num_columns):

        def scan(band: int = band) -> Iterator[Records]:
            return documents(bands, slice(band, band + 1), ranks, excluded)

        for later, earlier in joined_with_heads(scan, bands.num_documents, MAX_ALL_PAIRS, memory_bytes * 3 // 4):
            pairs.add(pack(np.minimum(later, earlier), np.maximum(later, earlier)))
    return pairs.write(out)


def check_numbers(num_documents: int) -> None:
    """Raise DataError if there are more documents than numbers for them."""
    if num_documents >= MAX_NUMBER:
        most = f"the {MAX_NUMBER - 1:,} that are matched at once"
        raise DataError(f"{num_documents:,} documents are more than {most}; curate them in several runs")


def documents(keys: Columns, columns: slice, ranks: Columns | None, excluded: Hashes | None) -> Iterator[Records]:
    """Yield for each part its documents as records: these columns are the key, the number is the place."""
    part_ranks = ranks.parts() if ranks else None
    for start, part in keys.parts():
        end = start + part.shape[1]
        rank = next(part_ranks)[1][0] if part_ranks else np.zeros(part.shape[1], np.uint64)
        records = Records(np.asarray(part[columns]), rank, np.arange(start, end, dtype=np.uint64))
        if excluded is not None:
            lost = excluded[np.searchsorted(excluded, np.uint64(start)) : np.searchsorted(excluded, np.uint64(end))]
            is_kept = np.ones(end - start, bool)
            is_kept[(lost - np.uint64(start)).astype(np.int64)] = False
            records = records.take(is_kept)
        yield records
