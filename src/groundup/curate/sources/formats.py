"""The formats of files with text: one document a file, or one a record."""

import gzip
import io
import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.documents import Document
from groundup.core.config import nearest
from groundup.core.errors import DataError, StorageError
from groundup.core.files import explain_os_error, storage_errors
from groundup.curate.config import FileFormat
from groundup.curate.drops import Drop
from groundup.curate.sources.base import MAX_RECORD_BYTES, Source, SourceFile

_KEPT_FIELDS = ("id", "url", "language", "source")
_ROWS_PER_BATCH = 64
_TEXT_TYPES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
    pa.binary(): pa.binary(),
    pa.large_binary(): pa.large_binary(),
    pa.null(): pa.binary(),
}
"""Column types that may hold text, with the type of their bytes."""


class Format(ABC):
    """A way to read documents out of a file, on behalf of a source."""

    endings: ClassVar[tuple[str, ...]]

    def __init__(self, source: Source) -> None:
        self._source = source

    @abstractmethod
    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        """Yield the file's documents; records that are none come out as drops; raise DataError if it is unreadable as a whole."""


class Text(Format):
    """The whole file is one document."""

    endings = (".txt",)

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        yield self._source.read_whole(f"{self._source.config.name}:{file.name}", file)


class Markdown(Format):
    """The whole file is one document, its marks left in it."""

    endings = (".md", ".markdown")

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        yield self._source.read_whole(f"{self._source.config.name}:{file.name}", file)


class JsonLines(Format):
    """One JSON object a line, plain or gzip-compressed; its `id`, `url`, `language` and `source` are kept."""

    endings = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        with storage_errors(file.path), file.path.open("rb") as raw:
            lines = gzip.GzipFile(fileobj=raw) if file.name.lower().endswith(".gz") else raw
            number = 0
            try:
                for number, line in enumerate(_bounded_lines(lines), start=1):
                    if line.strip():
                        yield self._document(file, number, line)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise DataError(f"{file.path}:{number + 1}: damaged gzip data ({error}); fetch the file again") from None

    def _document(self, file: SourceFile, number: int, line: bytes) -> Document | Drop:
        place = {"file": file.name, "line": number}
        where = f"{file.path}:{number}"
        fallback_id = f"{self._source.config.name}:{file.name}:{number}"
        if len(line.removesuffix(b"\n")) > MAX_RECORD_BYTES:
            return self._source.reject(
                fallback_id,
                "record_too_long",
                f"{where}: a line of more than {MAX_RECORD_BYTES:,} bytes; split it into documents",
                float(len(line)),
                float(MAX_RECORD_BYTES),
            )
        decoded = self._source.decode(fallback_id, line, where)
        if isinstance(decoded, Drop):
            return decoded
        try:
            record = json.loads(decoded.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            return self._source.reject(fallback_id, "invalid_json", f"{where}: not JSON ({error})")
        if not isinstance(record, dict):
            return self._source.reject(fallback_id, "invalid_json", f"{where}: a JSON {type(record).__name__}, expected an object")
        return _from_record(self._source, record, fallback_id, place, where)


class Parquet(Format):
    """One document a row; the columns `id`, `url`, `language` and `source` are kept where present."""

    endings = (".parquet",)

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        field = self._source.config.text_field
        try:
            with pq.ParquetFile(file.path) as parquet:
                schema = parquet.schema_arrow
                self._check_column(file, schema, field)
                columns = [field, *(name for name in _KEPT_FIELDS if name in schema.names and name != field)]
                number = 0
                for batch in parquet.iter_batches(batch_size=_ROWS_PER_BATCH, columns=columns):
                    for record in _rows(batch, field):
                        yield self._document(file, number, record)
                        number += 1
        except (pa.ArrowException, UnicodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise StorageError(explain_os_error(error, file.path)) from error
            why = " ".join(str(error).split())
            raise DataError(f"{file.path}: not readable as Parquet ({why}); write or fetch the file again") from None

    def _check_column(self, file: SourceFile, schema: pa.Schema, field: str) -> None:
        if field not in schema.names:
            raise DataError(
                f"{file.path}: no column '{field}' for the text; {nearest(field, schema.names)} "
                f"(set text_field in source '{self._source.config.name}')"
            )
        if schema.names.count(field) > 1:
            raise DataError(f"{file.path}: several columns are called '{field}'; keep one, or set text_field to another")
        if _plain(schema.field(field).type) not in _TEXT_TYPES:
            raise DataError(f"{file.path}: column '{field}' holds {schema.field(field).type}, expected string")

    def _document(self, file: SourceFile, number: int, record: dict[str, Any]) -> Document | Drop:
        fallback_id = f"{self._source.config.name}:{file.name}:{number}"
        where = f"{file.path}: row {number}"
        data = record.pop(self._source.config.text_field)
        if data is not None:
            text = self._source.decode(fallback_id, data, where)
            if isinstance(text, Drop):
                return text
            record[self._source.config.text_field] = text
        return _from_record(self._source, record, fallback_id, {"file": file.name, "row": number}, where)


FORMATS: dict[FileFormat, type[Format]] = {"text": Text, "markdown": Markdown, "jsonl": JsonLines, "parquet": Parquet}


def _bounded_lines(file: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the lines; one that is too long is cut after the bound, so that memory stays bounded."""
    while line := file.readline(MAX_RECORD_BYTES + 1):
        rest = line
        while len(rest) > MAX_RECORD_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_RECORD_BYTES + 1)
        yield line


def _rows(batch: pa.RecordBatch, text_field: str) -> Iterator[dict[str, Any]]:
    """Yield rows as dictionaries with the text as bytes, so that one wrong text does not spoil the batch."""
    position = batch.schema.get_field_index(text_field)
    texts = batch.column(position)
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    texts = texts.cast(_TEXT_TYPES[texts.type]).to_pylist()
    others = batch.remove_column(position).to_pylist() if batch.num_columns > 1 else [{} for _ in texts]
    for text, other in zip(texts, others, strict=True):
        yield {**other, text_field: text}


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _from_record(source: Source, record: dict[str, Any], fallback_id: str, place: dict[str, Any], where: str) -> Document | Drop:
    """Return the record as a document. What the record itself calls its source goes into `meta`."""
    field = source.config.text_field
    text = record.get(field)
    own_id = record.get("id")
    document_id = _clean(str(own_id)) if isinstance(own_id, str | int) and str(own_id) else fallback_id
    if not isinstance(text, str):
        found = f"'{field}' is {type(text).__name__}" if field in record else f"no '{field}'; {nearest(field, list(record))}"
        return source.reject(document_id, "no_text", f"{where}: {found} (text_field of source '{source.config.name}')")
    if not _is_unicode(text):
        return source.reject(document_id, "invalid_utf8", f"{where}: the text holds half a surrogate pair")
    if isinstance(record.get("source"), str) and field != "source":
        place = {**place, "source": _clean(record["source"])}
    return Document(
        id=document_id,
        text=text,
        source=source.config.name,
        url=_optional(record.get("url")),
        language=_optional(record.get("language")),
        meta=json.dumps(place, ensure_ascii=False),
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _optional(value: object) -> str | None:
    return _clean(value) if isinstance(value, str) else None
