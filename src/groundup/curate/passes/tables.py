"""Tables of an artifact as they are written."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.columns import of_type


class ParquetTable:
    """A Parquet file, written row group by row group."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "ParquetTable":
        self._writer = pq.ParquetWriter(self._path.absolute(), self._schema, compression="zstd")
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._writer.close()

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)

    def flush(self) -> None:
        """Write the rows that wait as a row group."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [of_type(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows.clear()
