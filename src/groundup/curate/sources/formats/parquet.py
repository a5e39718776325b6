"""Parquet: one document a row."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from groundup.artifacts.documents import Document
from groundup.curate.drops import Drop
from groundup.curate.sources.base import SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.records import Places
from groundup.curate.sources.formats.tables import Unreadable, kept_columns, row_document, rows_of, table_errors, wrong_column
from groundup.curate.sources.parts import PACKED_RATIO, Piece

_ROWS_PER_BATCH = 256
_BATCH_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20


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
            with table_errors(file, "Parquet"), _open(file) as parquet:
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
            with table_errors(file, "Parquet"):
                parquet = _open(file)
        except Unreadable as error:
            yield self._source.reject(f"{self._source.config.name}:{file.name}", "damaged", str(error))
            return
        with parquet:
            field = self._source.config.text_field
            wrong = wrong_column(field, self._source.config.name, file, parquet.schema_arrow)
            if wrong:
                if piece.start == 0:
                    yield self._source.reject(f"{self._source.config.name}:{file.name}", "no_text", wrong)
                return
            columns = kept_columns(parquet.schema_arrow, field)
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
                with table_errors(file, "Parquet"):
                    batch = next(batches, None)
                    rows = [] if batch is None else list(rows_of(batch, columns[0]))
            except Unreadable as error:
                why = f"{places.where(number)}: the rest of row group {group} is lost: {error}"
                yield self._source.reject(places.fallback_id(number), "damaged", why)
                return
            if batch is None:
                return
            for record in rows:
                yield row_document(self._source, record, places, number)
                number += 1


def _open(file: SourceFile) -> pq.ParquetFile:
    return pq.ParquetFile(file.path, buffer_size=_BUFFER_BYTES, pre_buffer=False)


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
