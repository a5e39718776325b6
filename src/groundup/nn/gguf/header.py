"""The header of a GGUF file, held against the size of the file before anything is made of it.

The library believes what a file says of its own lengths: a header of a few bytes could ask for years of reading.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final

from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
SCALAR_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Type of a value -> its size, of those that are numbers."""
STRING: Final = 8
ARRAY: Final = 9
MAX_ENTRIES: Final = 1 << 16
"""Keys, or tensors: several times those of the largest published models."""
MAX_ITEMS: Final = 1 << 22
"""Items of a list: several times the largest published vocabularies."""
MAX_NAME_BYTES: Final = 1 << 16
MAX_DIMS: Final = 4


def check_header(path: Path) -> None:
    """Raise ArtifactError if the file is not GGUF, or a count or length in its header cannot be true."""
    with storage_errors(path), path.open("rb") as file:
        walk = _Walk(path, file, path.stat().st_size)
        if walk.take(4) != MAGIC:
            raise ArtifactError(f"{path}: not a GGUF file")
        version = walk.number("<I")
        if version not in VERSIONS:
            raise ArtifactError(f"{path}: GGUF of version {version} or of the other byte order; groundup reads {VERSIONS}")
        tensors = walk.count("<Q", MAX_ENTRIES, "tensors")
        keys = walk.count("<Q", MAX_ENTRIES, "keys")
        for _ in range(keys):
            walk.skip_text(MAX_NAME_BYTES)
            walk.skip_value(walk.number("<I"))
        for _ in range(tensors):
            walk.skip_text(MAX_NAME_BYTES)
            walk.take(8 * walk.count("<I", MAX_DIMS, "dims of a tensor"))
            walk.take(4 + 8)  # kind of numbers, and where they lie


class _Walk:
    """A way through the file that never leaves it."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path = path
        self._file = file
        self._left = size

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self._need(size)
        return self._file.read(size)

    def number(self, form: str) -> int:
        found: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return found

    def count(self, form: str, most: int, what: str) -> int:
        """Return a number of things, of which there cannot be more than `most`."""
        count = self.number(form)
        if count > most:
            raise ArtifactError(f"{self._path}: a header with {count:,} {what} is damaged or hostile (at most {most:,} are read)")
        return count

    def skip_text(self, most: int | None = None) -> None:
        size = self.number("<Q")
        if most is not None and size > most:
            raise ArtifactError(f"{self._path}: a name of {size:,} bytes; the header is damaged or hostile")
        self._skip(size)

    def skip_value(self, kind: int) -> None:
        """Step over a number, a text or a list of them."""
        if kind in SCALAR_BYTES:
            self._skip(SCALAR_BYTES[kind])
        elif kind == STRING:
            self.skip_text()
        elif kind == ARRAY:
            self._skip_list(self.number("<I"))
        else:
            raise ArtifactError(f"{self._path}: a value of unknown type {kind}; the header is damaged")

    def _skip_list(self, kind: int) -> None:
        if kind not in SCALAR_BYTES and kind != STRING:
            raise ArtifactError(f"{self._path}: a list of type {kind}; groundup reads lists of numbers and texts")
        items = self.count("<Q", MAX_ITEMS, "items of a list")
        if kind == STRING:
            for _ in range(items):
                self.skip_text()
        else:
            self._skip(items * SCALAR_BYTES[kind])

    def _skip(self, size: int) -> None:
        self._need(size)
        self._file.seek(size, 1)

    def _need(self, size: int) -> None:
        if size > self._left:
            raise ArtifactError(
                f"{self._path}: truncated, or a length in its header lies: {size:,} bytes asked for, {self._left:,} left"
            )
        self._left -= size
