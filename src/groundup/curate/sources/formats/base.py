"""What every format of files can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from groundup.artifacts.documents import Document
from groundup.core.files import storage_errors
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.parts import Piece


class Format(ABC):
    """A way to read documents out of files, on behalf of a source."""

    endings: ClassVar[tuple[str, ...]]

    def __init__(self, source: Source) -> None:
        self._source = source

    @abstractmethod
    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        """Yield the documents of a piece; records that are none come out as drops, and so does what is damaged.

        `folder` holds the pieces that were unpacked.
        """

    def is_text(self, file: SourceFile) -> bool:
        """Return whether a file with one of the endings is to be read."""
        return True

    def can_divide(self, file: SourceFile) -> bool:
        """Return whether the file, if it is large, is read as several pieces."""
        return False

    def text_bytes(self, file: SourceFile) -> int:
        """Return about how much text the file holds, from its size."""
        with storage_errors(file.path):
            return file.path.stat().st_size

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        """Yield the pieces of a large file with the bytes of text in them."""
        yield Piece(file.name), self.text_bytes(file)
