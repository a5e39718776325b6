"""Documents that are equal but for case and white space."""

from collections.abc import Iterator
from pathlib import Path

from groundup.curate.dedup.arrays import Columns
from groundup.curate.dedup.candidates import check_numbers, documents
from groundup.curate.dedup.heads import Records, joined_with_heads
from groundup.curate.dedup.runs import SortedSet, pack


def write_copies(keys: Columns, out: Path, memory_bytes: int, ranks: Columns | None = None) -> int:
    """Write (document, the kept one that it copies) to `out`, `pack`ed and sorted; return how many documents are copies.

    `keys` are those of `read_words`, in two columns. Of equal documents the first by (rank, number) is kept; without `ranks`
    (one column) the number is the rank. Memory: as `write_candidates`.
    """
    check_numbers(keys.num_documents)

    def scan() -> Iterator[Records]:
        return documents(keys, slice(0, 2), ranks, None)

    copies = SortedSet(out.parent, memory_bytes // 4)
    for copy, kept in joined_with_heads(scan, keys.num_documents, 1, memory_bytes * 3 // 4):
        copies.add(pack(copy, kept))
    return copies.write(out)
