"""Documents that are equal but for case and space."""

import hashlib
from collections.abc import Iterator


def document_key(text: str) -> bytes:
    """Return a 128-bit hash of `text`, equal for texts that differ only in case and white space."""
    return hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=16).digest()


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
