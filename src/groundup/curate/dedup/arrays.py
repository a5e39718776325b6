"""Arrays in files: written whole or not at all, read without loading them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import storage_errors, sync_folder
from groundup.curate.dedup.words import Hashes


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write `array` as .npy, atomically."""
    partial = path.with_name(path.name + ".partial")
    with storage_errors(path):
        with partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)


def open_array(path: Path, dimensions: int = 1, dtype: npt.DTypeLike = np.uint64) -> npt.NDArray[Any]:
    """Return the array of a .npy file, mapped into memory; raise ArtifactError if it is not one of this type."""
    with storage_errors(path):
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError):
            raise ArtifactError(f"{path}: not a whole .npy file; {REMAKE}") from None
    if array.dtype != dtype or array.ndim != dimensions:
        found = f"{array.dtype} of {array.ndim} dimensions"
        raise ArtifactError(f"{path}: holds {found}, expected {np.dtype(dtype)} of {dimensions}; {REMAKE}")
    return array


class Columns:
    """Columns of 64-bit numbers over all documents, a file [columns, documents] a part: their numbers go on from part to part."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        shapes = [open_array(file, 2).shape for file in files]
        widths = {shape[0] for shape in shapes}
        if len(widths) > 1:
            raise ArtifactError(f"{files[0].parent}: parts of {sorted(widths)} columns side by side; {REMAKE}")
        self.num_columns: int = widths.pop() if widths else 0
        self.starts = np.cumsum([0, *(shape[1] for shape in shapes)]).tolist()

    @property
    def num_documents(self) -> int:
        return int(self.starts[-1])

    def parts(self) -> Iterator[tuple[int, Hashes]]:
        """Yield for each part the number of its first document and its columns."""
        for file, start in zip(self._files, self.starts, strict=False):
            yield start, open_array(file, 2)


class ArrayWriter:
    """Writes one array of numbers piece by piece, as `write_array` would whole; the file has its name only once it is whole."""

    def __init__(self, path: Path, dtype: npt.DTypeLike = np.uint64) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._partial = path.with_name(path.name + ".partial")
        self._length = 0

    def __enter__(self) -> "ArrayWriter":
        with storage_errors(self._partial):
            self._file = self._partial.open("wb")
            self._header()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with storage_errors(self._path), self._file:
            if kind is None:
                self._file.seek(0)
                self._header()
                self._file.flush()
        with storage_errors(self._path):
            if kind is None:
                self._partial.replace(self._path)
                sync_folder(self._path.parent)
            else:
                self._partial.unlink()

    def write(self, values: npt.NDArray[Any]) -> None:
        """Append `values`."""
        with storage_errors(self._partial):
            self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._length += len(values)

    def _header(self) -> None:
        """Write the header: numpy leaves room in it for a longer array."""
        shape = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, shape)
