"""Arrow columns as NumPy arrays and back, as they lie in memory: pyarrow's own ways load pandas first where it is installed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def column(values: npt.NDArray[Any]) -> pa.Array:
    """Return numbers as an Arrow array that shares their memory."""
    kind = pa.type_for_alias(values.dtype.name)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Return an Arrow array of whole numbers, none of them missing, as one that shares its memory."""
    assert not column.null_count, "a number is missing"
    values = np.frombuffer(column.buffers()[1], np.dtype(str(column.type)))
    return values[column.offset : column.offset + len(column)]


def mask(chosen: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """Return a choice of rows as Arrow filters take it."""
    bits = np.packbits(chosen, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(chosen), [None, pa.py_buffer(bits)])
