"""One source's token stream on disk with its index."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.columns import column
from groundup.artifacts.token_shards import INDEX_SCHEMA, TokenDtype
from groundup.core.files import storage_errors
from groundup.encode.pieces import Encoded

_INDEX_ROWS = 1 << 16
"""Rows of a Parquet row group: fixed, so that the bytes on disk do not depend on how documents arrive."""


def token_dtype(vocab_size: int) -> TokenDtype:
    """Return the narrowest type of the format that holds ids below `vocab_size`."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


class StreamWriter:
    """Write FOLDER/NAME.bin and FOLDER/NAME.index.parquet, some documents at a time."""

    def __init__(self, folder: Path, name: str, dtype: npt.DTypeLike) -> None:
        self.documents = self.tokens = self.bytes = 0
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._rows: list[pa.Table] = []
        self._num_rows = 0
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = (folder / f"{name}.bin").open("wb")
            self._index = pq.ParquetWriter((folder / f"{name}.index.parquet").absolute(), INDEX_SCHEMA)
        self._path = folder / f"{name}.bin"

    def add(self, documents: Encoded) -> None:
        """Append documents; the tokens of each end with the end-of-document token."""
        with storage_errors(self._path):
            self._stream.write(np.ascontiguousarray(documents.tokens, self._dtype).data)
        ends = self.tokens + np.cumsum(documents.lengths)
        counts = [column(values.copy()) for values in (ends - documents.lengths, documents.lengths, documents.bytes)]
        ids = pa.concat_arrays([documents.ids, documents.ids[:0]])  # a copy: the given one keeps a whole piece in memory
        self._rows.append(pa.Table.from_arrays([ids, *counts], schema=INDEX_SCHEMA))
        self._num_rows += len(documents.lengths)
        self.documents += len(documents.lengths)
        self.tokens += int(documents.lengths.sum())
        self.bytes += int(documents.bytes.sum())
        while self._num_rows >= _INDEX_ROWS:
            self._write_rows()

    def _write_rows(self) -> None:
        rows = pa.concat_tables(self._rows)
        with storage_errors(self._path):
            self._index.write_table(rows.slice(0, _INDEX_ROWS))
        self._rows = [rows.slice(_INDEX_ROWS)]
        self._num_rows = len(self._rows[0])

    def close(self) -> None:
        """Write what is left to disk and close both files."""
        if self._num_rows:
            self._write_rows()
        with storage_errors(self._path):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._index.close()
