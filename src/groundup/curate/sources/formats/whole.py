"""Files that are one document each."""

from collections.abc import Iterator
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.curate.drops import Drop
from groundup.curate.sources.base import SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.parts import Piece


class Text(Format):
    """The whole file is one document."""

    endings = (".txt",)

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        yield self._source.read_whole(f"{self._source.config.name}:{file.name}", file)


class Markdown(Format):
    """The whole file is one document, its marks left in it."""

    endings = (".md", ".markdown")

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        yield self._source.read_whole(f"{self._source.config.name}:{file.name}", file)
