"""One source's token stream on disk with its index."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.token_shards import INDEX_SCHEMA, TokenDtype
from groundup.core.files import storage_errors

_INDEX_ROWS = 1 << 16
"""Rows of a Parquet row group: fixed, so that the bytes on disk do not depend on how documents arrive."""


def token_dtype(vocab_size: int) -> TokenDtype:
    """Return the narrowest type of the format that holds ids below `vocab_size`."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


class StreamWriter:
    """Write FOLDER/NAME.bin and FOLDER/NAME.index.parquet, document by document."""

    def __init__(self, folder: Path, name: str, dtype: npt.DTypeLike) -> None:
        self.documents = self.tokens = self.bytes = 0
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._rows: list[tuple[str, int, int, int]] = []
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = (folder / f"{name}.bin").open("wb")
            self._index = pq.ParquetWriter((folder / f"{name}.index.parquet").absolute(), INDEX_SCHEMA)
        self._path = folder / f"{name}.bin"

    def add(self, document_id: str, ids: Sequence[int], text_bytes: int) -> None:
        """Append one document; `ids` end with the end-of-document token."""
        with storage_errors(self._path):
            self._stream.write(np.asarray(ids, self._dtype).tobytes())
        self._rows.append((document_id, self.tokens, len(ids), text_bytes))
        self.documents += 1
        self.tokens += len(ids)
        self.bytes += text_bytes
        if len(self._rows) == _INDEX_ROWS:
            self._write_rows()

    def _write_rows(self) -> None:
        columns = list(zip(*self._rows, strict=True)) if self._rows else [()] * len(INDEX_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, INDEX_SCHEMA, strict=True)]
        with storage_errors(self._path):
            self._index.write_table(pa.Table.from_arrays(arrays, schema=INDEX_SCHEMA))
        self._rows.clear()

    def close(self) -> None:
        """Write what is left and close both files."""
        if self._rows:
            self._write_rows()
        with storage_errors(self._path):
            self._stream.close()
            self._index.close()
