"""What every source of text can do."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.core.files import storage_errors
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop, excerpt

MAX_RECORD_BYTES = 64 << 20
"""A larger document is dropped unread: it could not be held in memory several times over."""


@dataclass(frozen=True)
class SourceFile:
    """A file that a source reads: `name` is the same wherever the source lies."""

    name: str
    path: Path


class Source(ABC):
    """A named place that text comes from.

    Documents come out in an order that hangs on names alone. A record that is not text comes out as a Drop of stage
    'collect'; a file that cannot be read at all raises DataError.
    """

    def __init__(self, config: SourceConfig) -> None:
        self.config = config

    @abstractmethod
    def files(self) -> list[SourceFile]:
        """Return the files that will be read, in order; raise DataError if there are none."""

    @abstractmethod
    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        """Yield what one of the files holds, in bounded memory."""

    def documents(self) -> Iterator[Document | Drop]:
        """Yield what all files hold."""
        for file in self.files():
            yield from self.read(file)

    def make_document(self, document_id: str, text: str, file: SourceFile) -> Document:
        return Document(document_id, text, self.config.name, meta=json.dumps({"file": file.name}, ensure_ascii=False))

    def reject(self, document_id: str, rule: str, why: str, value: float = 0.0, threshold: float = 1.0) -> Drop:
        """Return the record of something that is not a document."""
        return Drop(document_id, self.config.name, "collect", rule, value, threshold, excerpt=excerpt(printable(why)))

    def read_whole(self, document_id: str, file: SourceFile) -> Document | Drop:
        """Return the file as one document."""
        with storage_errors(file.path):
            size = file.path.stat().st_size
            if size > MAX_RECORD_BYTES:
                return self.too_long(document_id, size)
            data = file.path.read_bytes()
        text = self.decode(document_id, data, str(file.path))
        return text if isinstance(text, Drop) else self.make_document(document_id, text, file)

    def decode(self, document_id: str, data: bytes, where: str) -> str | Drop:
        """Return UTF-8 bytes as text, or why they are none."""
        if b"\0" in data:
            return self.reject(document_id, "not_text", f"{where}: a zero byte at {data.index(0):,}, so a binary file and no text")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            wrong = data[error.start : error.start + 4].hex(" ")
            return self.reject(
                document_id, "invalid_utf8", f"{where}: not UTF-8 at byte {error.start:,} ({wrong}); convert it first"
            )

    def too_long(self, document_id: str, size: int) -> Drop:
        why = f"{size:,} bytes in one record, at most {MAX_RECORD_BYTES:,} are read; split it into documents"
        return self.reject(document_id, "record_too_long", why, float(size), float(MAX_RECORD_BYTES))


def printable(text: str) -> str:
    """Return `text` as it can be written as UTF-8: names of files may hold bytes that are none."""
    return text.encode(errors="backslashreplace").decode()
