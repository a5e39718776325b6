"""Parquet: one document a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.documents import Document
from groundup.core.config import nearest
from groundup.core.errors import StorageError
from groundup.core.files import explain_os_error
from groundup.curate.drops import Drop
from groundup.curate.sources.base import SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.records import KEPT_FIELDS, Places, document_of
from groundup.curate.sources.parts import PACKED_RATIO, Piece

_ROWS_PER_BATCH = 256
_BATCH_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20
TEXT_TYPES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
    pa.binary(): pa.binary(),
    pa.large_binary(): pa.large_binary(),
    pa.null(): pa.binary(),
}
"""Column types that may hold text, with the type of their bytes."""


class Unreadable(Exception):  # noqa: N818  caught where it is made into a drop
    """A file, or a part of it, is damaged."""


class Parquet(Format):
    """One document a row; the columns `id`, `url`, `language` and `source` are kept where present.

    A file, or a row group, that is damaged or has no column of text is one drop; its other row groups are read.
    """

    endings = (".parquet",)

    def can_divide(self, file: SourceFile) -> bool:
        return True

    def text_bytes(self, file: SourceFile) -> int:
        return super().text_bytes(file) * PACKED_RATIO

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        try:
            with _errors(file), _open(file) as parquet:
                groups = [_text_bytes(parquet, group, self._source.config.text_field) for group in range(parquet.num_row_groups)]
                rows = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        except Unreadable:
            yield Piece(file.name), 0
            return
        start = size = 0
        for group, group_bytes in enumerate(groups):
            size += group_bytes
            if size >= self._source.part_bytes or group == len(groups) - 1:
                yield Piece(file.name, start, group + 1, sum(rows[:start])), size
                start, size = group + 1, 0
        if not groups:
            yield Piece(file.name), 0

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        places = Places(self._source, file, "row")
        try:
            with _errors(file):
                parquet = _open(file)
        except Unreadable as error:
            yield self._source.reject(f"{self._source.config.name}:{file.name}", "damaged", str(error))
            return
        with parquet:
            field = self._source.config.text_field
            wrong = wrong_column(self._source.config.text_field, self._source.config.name, file, parquet.schema_arrow)
            if wrong:
                if piece.start == 0:
                    yield self._source.reject(f"{self._source.config.name}:{file.name}", "no_text", wrong)
                return
            names = parquet.schema_arrow.names
            columns = [field, *(name for name in KEPT_FIELDS if name in names and name != field)]
            number = piece.first
            for group in range(piece.start, parquet.num_row_groups if piece.end is None else piece.end):
                yield from self._group(file, parquet, group, columns, places, number)
                number += parquet.metadata.row_group(group).num_rows

    def _group(
        self, file: SourceFile, parquet: pq.ParquetFile, group: int, columns: list[str], places: Places, number: int
    ) -> Iterator[Document | Drop]:
        batches = parquet.iter_batches(_batch_rows(parquet, group, columns[0]), [group], columns)
        while True:
            try:
                with _errors(file):
                    batch = next(batches, None)
                    rows = [] if batch is None else list(rows_of(batch, columns[0]))
            except Unreadable as error:
                why = f"{places.where(number)}: the rest of row group {group} is lost: {error}"
                yield self._source.reject(places.fallback_id(number), "damaged", why)
                return
            if batch is None:
                return
            for record in rows:
                yield self._document(places, number, record)
                number += 1

    def _document(self, places: Places, number: int, record: dict[str, Any]) -> Document | Drop:
        data = record.pop(self._source.config.text_field)
        if data is not None:
            if len(data) > self._source.max_record_bytes:
                return self._source.too_long(places.fallback_id(number), len(data), places.where(number))
            text = self._source.decode(places.fallback_id(number), data, places.where(number))
            if isinstance(text, Drop):
                return text
            data = text
        return document_of(self._source, {**record, self._source.config.text_field: data}, places, number)


def wrong_column(field: str, source: str, file: SourceFile, schema: pa.Schema) -> str:
    """Return why a table has no column of text; nothing if it has."""
    if field not in schema.names:
        return (
            f"{file.path}: no column '{field}' for the text; {nearest(field, schema.names)} (set text_field in source '{source}')"
        )
    if schema.names.count(field) > 1:
        return f"{file.path}: several columns are called '{field}'; keep one, or set text_field to another"
    if _plain(schema.field(field).type) not in TEXT_TYPES:
        return f"{file.path}: column '{field}' holds {schema.field(field).type}, expected string"
    return ""


def rows_of(batch: pa.RecordBatch, text_field: str) -> Iterator[dict[str, Any]]:
    """Yield rows as dictionaries with the text as bytes, so that one wrong text does not spoil the batch."""
    position = batch.schema.get_field_index(text_field)
    texts = batch.column(position)
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    texts = texts.cast(TEXT_TYPES[texts.type]).to_pylist()
    others = batch.remove_column(position).to_pylist() if batch.num_columns > 1 else [{} for _ in texts]
    for text, other in zip(texts, others, strict=True):
        yield {**other, text_field: text}


def _open(file: SourceFile) -> pq.ParquetFile:
    return pq.ParquetFile(file.path, buffer_size=_BUFFER_BYTES, pre_buffer=False)


@contextmanager
def _errors(file: SourceFile) -> Iterator[None]:
    """Tell damage, which costs a row group or a file, from trouble of the operating system, which ends the work."""
    try:
        yield
    except (pa.ArrowException, UnicodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(explain_os_error(error, file.path)) from error
        why = " ".join(str(error).split())
        raise Unreadable(f"{file.path}: not readable as Parquet ({why}); write or fetch the file again") from None


def _text_bytes(parquet: pq.ParquetFile, group: int, field: str) -> int:
    """Return the bytes of the column of text in a row group, before compression; of all columns if it is not found."""
    row_group = parquet.metadata.row_group(group)
    columns = (row_group.column(position) for position in range(row_group.num_columns))
    size: int = sum(column.total_uncompressed_size for column in columns if column.path_in_schema == field)
    return size or int(row_group.total_byte_size)


def _batch_rows(parquet: pq.ParquetFile, group: int, field: str) -> int:
    """Return how many rows to hold at once: fewer where texts are long."""
    num_rows: int = max(parquet.metadata.row_group(group).num_rows, 1)
    return max(1, min(_ROWS_PER_BATCH, _BATCH_BYTES * num_rows // max(_text_bytes(parquet, group, field), 1)))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
