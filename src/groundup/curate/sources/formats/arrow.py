"""Arrow files, as `datasets` saves them: one document a row."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from groundup.artifacts.documents import Document
from groundup.curate.drops import Drop
from groundup.curate.sources.base import SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.records import Places
from groundup.curate.sources.formats.tables import (
    TEXT_TYPES,
    Unreadable,
    kept_columns,
    row_document,
    rows_of,
    table_errors,
    wrong_column,
)
from groundup.curate.sources.parts import Piece

_ROWS_PER_SLICE = 256
_SLICE_BYTES = 16 << 20
_FILE_MARK = b"ARROW1"


class Arrow(Format):
    """One document a row of an IPC stream or file, mapped into memory; pieces are runs of its record batches.

    What `map` and `filter` of `datasets` keep beside a saved data set (cache-*.arrow) is passed over: it is the same text again.
    """

    endings = (".arrow",)

    def can_divide(self, file: SourceFile) -> bool:
        return True

    def is_text(self, file: SourceFile) -> bool:
        return not (file.path.name.startswith("cache-") and (file.path.parent / "state.json").is_file())

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        start = first = size = index = rows = 0
        field = self._source.config.text_field
        try:
            for index, batch in enumerate(_batches(file), start=1):
                rows += batch.num_rows
                size += batch.column(field).nbytes if batch.schema.names.count(field) == 1 else batch.nbytes
                if size >= self._source.part_bytes:
                    yield Piece(file.name, start, index, first), size
                    start, first, size = index, rows, 0
        except Unreadable:
            pass  # said when the last piece is read
        yield Piece(file.name, start, None, first), size

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        places, number = Places(self._source, file, "row"), piece.first
        try:
            for index, batch in enumerate(_batches(file), start=1):
                if index > piece.start:
                    yield from self._rows(file, batch, places, number)
                    number += batch.num_rows
                if index == piece.end:
                    return
        except Unreadable as error:
            why = f"{places.where(number)}: from here on lost: {error}"
            yield self._source.reject(places.fallback_id(number), "damaged", why)

    def _rows(self, file: SourceFile, batch: pa.RecordBatch, places: Places, number: int) -> Iterator[Document | Drop]:
        field = self._source.config.text_field
        wrong = wrong_column(field, self._source.config.name, file, batch.schema)
        if wrong:
            if number == 0:
                yield self._source.reject(f"{self._source.config.name}:{file.name}", "no_text", wrong)
            return
        batch = batch.select(kept_columns(batch.schema, field))
        step = max(1, min(_ROWS_PER_SLICE, _SLICE_BYTES * batch.num_rows // max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, step):
            for record in rows_of(batch.slice(start, step), field):
                yield row_document(self._source, record, places, number)
                number += 1


def _batches(file: SourceFile) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of a stream, or of a file (which begins with ARROW1); raise Unreadable from damage on."""
    with table_errors(file, "Arrow"), pa.memory_map(str(file.path)) as mapped:
        if not mapped.size():
            raise pa.ArrowInvalid("an empty file")
        is_file = mapped.read_at(len(_FILE_MARK), 0) == _FILE_MARK
        mapped.seek(0)
        reader = pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
        while True:
            with table_errors(file, "Arrow"):
                batch = next(batches, None)
                if batch is None:
                    return
                for column in batch.columns:
                    kind = TEXT_TYPES.get(column.type)
                    (column.cast(kind) if kind else column).validate(full=True)  # offsets of a damaged file lead out of its memory
            yield batch
