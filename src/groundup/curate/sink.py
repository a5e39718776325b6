"""Rows into numbered Parquet files, the same bytes for the same rows."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.files import storage_errors

_ROWS_PER_GROUP = 512
_CHARS_PER_GROUP = 8 << 20
_CHARS_PER_FILE = 256 << 20


class ParquetSink:
    """A folder of part-00000.parquet, ...; at least one file, though it be empty.

    Row groups close at 512 rows or 8 Mi characters and files at 256 Mi, so that readers need little memory.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._rows: list[dict[str, Any]] = []
        self._group_chars = self._file_chars = 0
        self._num_files = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "ParquetSink":
        with storage_errors(self._folder):
            self._folder.mkdir()
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._close()

    def write(self, row: dict[str, Any], chars: int) -> None:
        """Append one row; `chars` is the length of its large field."""
        self._rows.append(row)
        self._group_chars += chars
        if len(self._rows) >= _ROWS_PER_GROUP or self._group_chars >= _CHARS_PER_GROUP:
            self._flush()
            if self._file_chars >= _CHARS_PER_FILE:
                self._close()
                self._open()

    def _open(self) -> None:
        path = self._folder / f"part-{self._num_files:05d}.parquet"
        with storage_errors(path):
            self._writer = pq.ParquetWriter(path.absolute(), self._schema, compression="zstd")
        self._num_files += 1
        self._file_chars = 0

    def _flush(self) -> None:
        assert self._writer is not None, "the sink is written to before it is entered"
        if self._rows:
            with storage_errors(self._folder):
                self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._file_chars += self._group_chars
        self._rows, self._group_chars = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            with storage_errors(self._folder):
                self._writer.close()


def read_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of all Parquet files of the folder in order, one batch in memory at a time."""
    for file in sorted(folder.glob("*.parquet")):
        with storage_errors(file), pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=256):
                yield from batch.to_pylist()
