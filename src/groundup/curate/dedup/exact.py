"""Documents that are equal but for case and space."""

from collections.abc import Iterator

import xxhash


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
