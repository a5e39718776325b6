"""Tokens of one source, read piece by piece."""

from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.core.errors import StorageError
from groundup.core.files import explain_os_error, storage_errors


class TokenStream:
    """A file of tokens that stays open, sliced like an array; for one thread at a time.

    Unlike with a memory map, a disk that fails or a file that became shorter is an error that can be told and tried again: the
    file is then opened anew. Raises StorageError.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._path = path
        self._dtype = dtype
        self._file: FileIO | None = None
        with storage_errors(path):
            self._count = path.stat().st_size // dtype.itemsize

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, piece: slice) -> npt.NDArray[np.unsignedinteger]:
        start, stop, _ = piece.indices(self._count)
        wanted = max(stop - start, 0) * self._dtype.itemsize
        data = self._read(start * self._dtype.itemsize, wanted) if wanted else b""
        if len(data) < wanted:
            self._close()
            raise StorageError(
                f"{self._path}: ends before token {stop:,}, and held {self._count:,} when it was opened; put it back as it was, "
                "and run the same command again"
            )
        return np.frombuffer(data, self._dtype)

    def _read(self, place: int, size: int) -> bytes:
        try:
            if self._file is None:
                self._file = FileIO(self._path)
            self._file.seek(place)
            return self._file.read(size) or b""
        except OSError as error:
            self._close()
            raise StorageError(explain_os_error(error, self._path)) from error

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
