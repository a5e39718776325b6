"""WARC and WET: crawled pages, and the text that was taken out of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from groundup.artifacts.documents import Document
from groundup.core.files import storage_errors
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.pages import Pages
from groundup.curate.sources.parts import PACKED_RATIO, Piece

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_OK = 200
_TEXT_RECORDS = WarcRecordType.response | WarcRecordType.conversion | WarcRecordType.resource


@dataclass(frozen=True)
class _Payload:
    """What a record brings: the page or text, and what was said of it."""

    data: bytes
    content_type: str
    charset: str | None
    status: int


class Warc(Format):
    """One document a response with HTML (its main text) or plain text, and one a converted text (WET).

    The id is the WARC-Record-ID; requests, metadata and revisits are no documents. Pieces start at byte offsets (of compressed
    members, where there are any) and end before a record, counted from the beginning of the file.
    """

    endings = (".warc", ".warc.gz", ".warc.zst", ".wet", ".wet.gz")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._pages = Pages(source)

    def can_divide(self, file: SourceFile) -> bool:
        return True

    def text_bytes(self, file: SourceFile) -> int:
        return super().text_bytes(file) * (1 if file.name.lower().endswith((".warc", ".wet")) else PACKED_RATIO)

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        """Yield pieces of `part_bytes` of records, cut where a record can be read by itself."""
        start = first = size = number = 0
        with storage_errors(file.path), file.path.open("rb") as raw, file.path.open("rb") as probe:
            try:
                for number, record in enumerate(_records(raw)):
                    if size >= self._source.part_bytes and _starts_at(probe, record):
                        yield Piece(file.name, start, number, first), size
                        start, first, size = record.stream_pos, number, 0
                    size += record.content_length
            except _Damaged:
                pass  # said when the last piece is read
        yield Piece(file.name, start, None, first), size

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        number = piece.first
        fallback_id = f"{self._source.config.name}:{file.name}:"
        with storage_errors(file.path), file.path.open("rb") as raw:
            raw.seek(piece.start)
            try:
                for record in _records(raw):
                    if number == piece.end:
                        return
                    if record.record_type & _TEXT_RECORDS:
                        yield self._document(file, record, number)
                    else:
                        _read(record, 0)
                    number += 1
            except _Damaged as error:
                why = f"{file.name}: record {number}: {error}; from here on the file is not read; fetch it again"
                yield self._source.reject(f"{fallback_id}{number}", "damaged", why)

    def _document(self, file: SourceFile, record: WarcRecord, number: int) -> Document | Drop:
        document_id = _clean((record.headers.get("WARC-Record-ID") or "").strip("<>"))
        document_id = document_id or f"{self._source.config.name}:{file.name}:{number}"
        where = f"{file.name}: record {number}"
        if record.content_length > self._source.max_record_bytes:
            _read(record, 0)
            return self._source.too_long(document_id, record.content_length, where)
        block = _read(record, record.content_length)
        try:
            payload = _payload(record, block, self._source.max_record_bytes)
        except OSError as error:
            return self._source.reject(document_id, "invalid_http", f"{where}: the answer cannot be decoded ({error})")
        text = self._text(document_id, payload, where)
        if isinstance(text, Drop):
            return text
        date, url = record.headers.get("WARC-Date"), record.headers.get("WARC-Target-URI")
        meta = {"file": file.name, "record": number, **({"date": _clean(date)} if date else {})}
        url = _clean(url.strip("<>")) if url else None
        return Document(document_id, text, self._source.config.name, url, meta=json.dumps(meta, ensure_ascii=False))

    def _text(self, document_id: str, payload: _Payload, where: str) -> str | Drop:
        if payload.status != _OK:
            why = f"{where}: the server answered with status {payload.status}"
            return self._source.reject(document_id, "http_status", why, float(payload.status), float(_OK))
        if len(payload.data) > self._source.max_record_bytes:
            return self._source.too_long(document_id, len(payload.data), where)
        if payload.content_type in _HTML_TYPES:
            return self._pages.main_text(document_id, payload.data, where, payload.charset)
        if payload.content_type == "text/plain":
            return self._source.decode(document_id, payload.data, where)
        why = f"{where}: content type '{payload.content_type}', neither HTML nor plain text"
        return self._source.reject(document_id, "content_type", why)


class _Damaged(Exception):  # noqa: N818  caught where it is made into a drop
    """The rest of the file cannot be read."""


@contextmanager
def _damage() -> Iterator[None]:
    """Tell damage from trouble of the operating system, which has a number."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise _Damaged(str(error)) from None
    except (ValueError, EOFError) as error:
        raise _Damaged(str(error)) from None


def _records(raw: BinaryIO) -> Iterator[WarcRecord]:
    with _damage():
        records = iter(ArchiveIterator(raw, record_types=WarcRecordType.any_type, parse_http=False))
    while True:
        with _damage():
            record = next(records, None)
        if record is None:
            return
        if not (record.headers.get("Content-Length") or "").isdigit():
            raise _Damaged("its head has no length")
        yield record


def _starts_at(probe: BinaryIO, record: WarcRecord) -> bool:
    """Return whether reading from the record's position gives this record: not so within a compressed member."""
    probe.seek(record.stream_pos)
    try:
        found = next(_records(probe), None)
    except _Damaged:
        return False
    return found is not None and list(found.headers.astuples()) == list(record.headers.astuples())


def _read(record: WarcRecord, num_bytes: int) -> bytes:
    """Return so much of the record's block and pass over the rest; raise _Damaged if the file ends within it."""
    with _damage():
        data = bytearray()
        while len(data) < num_bytes and (more := record.reader.read(num_bytes - len(data))):
            data += more
        if len(data) + record.reader.consume() < record.content_length:
            raise _Damaged("the file ends within it")
    return bytes(data)


def _payload(record: WarcRecord, block: bytes, max_bytes: int) -> _Payload:
    """Return what the record's block holds, at most one byte beyond `max_bytes`; raise OSError if it is not as it says."""
    if record.record_type != WarcRecordType.response:
        content_type = (record.headers.get("Content-Type") or "text/plain").split(";")[0].strip()
        return _Payload(block, content_type.lower(), None, _OK)
    answer = WarcRecord()  # apart from the file's, whose reading an answer that cannot be decoded would end
    answer.set_bytes_content(block)
    answer.is_http = True
    answer.parse_http(auto_decode="all")
    status = answer.http_headers.status_code
    data = bytearray()
    while len(data) <= max_bytes and (more := answer.reader.read(max_bytes + 1 - len(data))):
        data += more
    return _Payload(bytes(data), (answer.http_content_type or "").lower(), answer.http_charset, status or 0)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
