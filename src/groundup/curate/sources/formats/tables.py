"""Rows of Arrow tables as documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from groundup.artifacts.documents import Document
from groundup.core.config import nearest
from groundup.core.errors import StorageError
from groundup.core.files import explain_os_error
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.formats.records import KEPT_FIELDS, Places, document_of

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


@contextmanager
def table_errors(file: SourceFile, kind: str) -> Iterator[None]:
    """Tell damage, which is a drop, from trouble of the operating system, which has a number and ends the work."""
    try:
        yield
    except (pa.ArrowException, UnicodeError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(explain_os_error(error, file.path)) from error
        why = " ".join(str(error).split())
        raise Unreadable(f"{file.name}: not readable as {kind} ({why}); write or fetch the file again") from None


def kept_columns(schema: pa.Schema, field: str) -> list[str]:
    """Return the columns that are read, the one of text first."""
    return [field, *(name for name in KEPT_FIELDS if name in schema.names and name != field)]


def row_document(source: Source, record: dict[str, Any], places: Places, number: int) -> Document | Drop:
    """Return a row, with its text as bytes, as a document."""
    data = record.pop(source.config.text_field)
    if data is not None:
        if len(data) > source.max_record_bytes:
            return source.too_long(places.fallback_id(number), len(data), places.where(number))
        text = source.decode(places.fallback_id(number), data, places.where(number))
        if isinstance(text, Drop):
            return text
        data = text
    return document_of(source, {**record, source.config.text_field: data}, places, number)


def wrong_column(field: str, source: str, file: SourceFile, schema: pa.Schema) -> str:
    """Return why a table has no column of text; nothing if it has."""
    if field not in schema.names:
        return (
            f"{file.name}: no column '{field}' for the text; {nearest(field, schema.names)} (set text_field in source '{source}')"
        )
    if schema.names.count(field) > 1:
        return f"{file.name}: several columns are called '{field}'; keep one, or set text_field to another"
    if _plain(schema.field(field).type) not in TEXT_TYPES:
        return f"{file.name}: column '{field}' holds {schema.field(field).type}, expected string"
    return ""


def rows_of(batch: pa.RecordBatch, text_field: str) -> Iterator[dict[str, Any]]:
    """Yield rows as dictionaries with the text as bytes, so that one wrong text does not spoil the batch."""
    names = batch.schema.names
    columns = [_values(column, name == text_field) for name, column in zip(names, batch.columns, strict=True)]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _values(column: pa.Array, as_bytes: bool) -> list[Any]:
    """Return the column's values; of texts their bytes, or what can be read of them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type not in TEXT_TYPES:
        return list(column.to_pylist())
    found = column.cast(TEXT_TYPES[column.type]).to_pylist()
    return found if as_bytes else [None if data is None else data.decode(errors="replace") for data in found]


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
