"""What every source of text can do."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.core.files import hash_file, hash_json, storage_errors
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop, excerpt
from groundup.curate.sources.parts import PART_BYTES, Part, Piece, group, read_index, scratch_of, stamp_of, write_index
from groundup.curate.sources.sections import document_sections

MAX_RECORD_BYTES = 64 << 20
"""A larger document is dropped unread: it could not be held in memory several times over."""


@dataclass(frozen=True)
class SourceFile:
    """A file that a source reads: `name` is the same wherever the source lies."""

    name: str
    path: Path


class Source(ABC):
    """A named place that text comes from.

    Documents come out in an order that hangs on names alone, whether file by file or part by part. A record that is not text
    comes out as a Drop of stage 'collect', and so does what cannot be read of a damaged file.
    """

    def __init__(self, config: SourceConfig, part_bytes: int = PART_BYTES) -> None:
        self.config = config
        self.part_bytes = part_bytes
        self.max_record_bytes = MAX_RECORD_BYTES

    @abstractmethod
    def files(self) -> list[SourceFile]:
        """Return the files that will be read, in order; raise DataError if there are none."""

    @abstractmethod
    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        """Yield what one of the files holds, in bounded memory."""

    def fingerprint(self) -> str:
        """Return a hash of what the source holds: over the names and bytes of its files."""
        return hash_json([(file.name, hash_file(file.path)) for file in self.files()])

    def lineage(self) -> Iterator[dict[str, str | int]]:
        """Yield what each file was when it was read."""
        for file in self.files():
            with storage_errors(file.path):
                size = file.path.stat().st_size
            yield {"source": self.config.name, "file": file.name, "sha256": hash_file(file.path), "bytes": size}

    def documents(self) -> Iterator[Document | Drop]:
        """Yield what all files hold."""
        for file in self.files():
            yield from self._in_sections(self.read(file))

    def text_bytes(self, file: SourceFile) -> int:
        """Return about how much text the file holds, without opening it."""
        with storage_errors(file.path):
            return file.path.stat().st_size

    def is_divided(self, file: SourceFile) -> bool:
        """Return whether the file is so large that it is read as several pieces."""
        return False

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        """Yield the pieces of a large file with the bytes of text in them; what must be unpacked is written into `folder`."""
        yield Piece(file.name), self.text_bytes(file)

    def divide(self, file: SourceFile, scratch: Path) -> list[tuple[Piece, int]]:
        """Return the pieces of a large file with their sizes, made now or by an earlier call with the same scratch folder.

        Files may be divided by several processes at a time; a kill costs the files that were not finished.
        """
        folder, stamp = scratch_of(scratch, self.config.name, file.name), stamp_of(file.path, self.part_bytes)
        known = read_index(folder, stamp)
        if known is None:
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            known = list(self.cut(file, folder))
            write_index(folder, stamp, known)
        return known

    def parts(self, scratch: Path) -> list[Part]:
        """Return what is to be read, in order, in parts that hang on the files alone.

        Large files that `divide` was not called for are divided now, one after another.
        """
        sized = (sized for file in self.files() for sized in self._sized(file, scratch))
        return [Part(self.config.name, index, pieces, size) for index, (pieces, size) in enumerate(group(sized, self.part_bytes))]

    def read_part(self, part: Part, scratch: Path) -> Iterator[Document | Drop]:
        """Yield what one of the parts holds, in bounded memory."""
        for piece in part.pieces:
            folder = scratch_of(scratch, self.config.name, piece.file)
            yield from self._in_sections(self.read_piece(self.find(piece.file), piece, folder))

    def read_piece(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        """Yield what one piece of the file holds."""
        yield from self.read(file)

    def find(self, name: str) -> SourceFile:
        """Return the file of that name; raise DataError if it is gone."""
        if name not in self._by_name:
            raise DataError(f"source '{self.config.name}' had a file {name}, which is gone; put it back or start anew")
        return self._by_name[name]

    def _in_sections(self, found: Iterable[Document | Drop]) -> Iterator[Document | Drop]:
        for item in found:
            if isinstance(item, Document):
                yield from document_sections(item, self.config.section_chars)
            else:
                yield item

    @cached_property
    def _by_name(self) -> dict[str, SourceFile]:
        return {file.name: file for file in self.files()}

    def _sized(self, file: SourceFile, scratch: Path) -> list[tuple[Piece, int]]:
        return self.divide(file, scratch) if self.is_divided(file) else [(Piece(file.name), self.text_bytes(file))]

    def make_document(self, document_id: str, text: str, file: SourceFile) -> Document:
        return Document(document_id, text, self.config.name, meta=json.dumps({"file": file.name}, ensure_ascii=False))

    def reject(self, document_id: str, rule: str, why: str, value: float = 0.0, threshold: float = 1.0) -> Drop:
        """Return the record of something that is not a document."""
        return Drop(document_id, self.config.name, "collect", rule, value, threshold, excerpt=excerpt(printable(why)))

    def read_whole(self, document_id: str, file: SourceFile) -> Document | Drop:
        """Return the file as one document."""
        with storage_errors(file.path):
            size = file.path.stat().st_size
            if size > self.max_record_bytes:
                return self.too_long(document_id, size, file.name)
            data = file.path.read_bytes()
        text = self.decode(document_id, data, file.name)
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

    def too_long(self, document_id: str, size: int, where: str) -> Drop:
        why = f"{where}: {size:,} bytes in one record, at most {self.max_record_bytes:,} are read; split it into documents"
        return self.reject(document_id, "record_too_long", why, float(size), float(self.max_record_bytes))


def printable(text: str) -> str:
    """Return `text` as it can be written as UTF-8: names of files may hold bytes that are none."""
    return text.encode(errors="backslashreplace").decode()
