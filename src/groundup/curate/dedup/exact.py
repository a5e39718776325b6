"""Documents that are equal but for case and white space."""

from collections.abc import Iterator
from pathlib import Path

import xxhash

from groundup.curate.dedup.arrays import Columns
from groundup.curate.dedup.candidates import check_numbers, documents
from groundup.curate.dedup.heads import Records, joined_with_heads
from groundup.curate.dedup.runs import SortedSet, pack


def document_key(text: str) -> bytes:
    """Return a 128-bit hash of `text`, equal for texts that differ only in case and white space.

    It is xxh3 of the case-folded words, a space after each, in UTF-32 (little endian): what `read_words` gives for a batch.
    """
    words = "".join(f"{word} " for word in text.casefold().split())
    return xxhash.xxh3_128_digest(words.encode("utf-32-le", "surrogatepass"))


class FirstCopies:
    """For each key the copy that is kept: the first by (place of its source in the recipe, id), however they were read."""

    def __init__(self) -> None:
        self._first: dict[bytes, tuple[int, str]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the ids that are kept."""
        return (document_id for _, document_id in self._first.values())

    def add(self, key: bytes, source_position: int, document_id: str) -> None:
        candidate = (source_position, document_id)
        self._first[key] = min(self._first.get(key, candidate), candidate)

    def kept_id(self, key: bytes) -> str:
        """Return the id of the copy that is kept of all documents with this key."""
        return self._first[key][1]


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
