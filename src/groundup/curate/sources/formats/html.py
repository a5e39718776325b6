"""HTML files: one document each, its main text."""

from collections.abc import Iterator
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.core.files import storage_errors
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.extraction.bounds import MAX_HTML_BYTES
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.pages import Pages
from groundup.curate.sources.parts import Piece


class Html(Format):
    """The main text of the file is one document."""

    endings = (".html", ".htm", ".xhtml")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._pages = Pages(source)

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        document_id = f"{self._source.config.name}:{file.name}"
        with storage_errors(file.path), file.path.open("rb") as page:
            data = page.read(MAX_HTML_BYTES + 1)
        text = self._pages.main_text(document_id, data, file.name)
        yield text if isinstance(text, Drop) else self._source.make_document(document_id, text, file)
