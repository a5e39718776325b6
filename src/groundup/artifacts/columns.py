"""Arrow columns as NumPy arrays and back, as they lie in memory: pyarrow's own ways load pandas first where it is installed."""

from collections.abc import Sequence
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


def chosen(places: npt.NDArray[np.int64], is_there: npt.NDArray[np.bool_]) -> pa.Int64Array:
    """Return places in another array as Arrow takes them, those that are not there as missing."""
    bits = pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(places), [bits, pa.py_buffer(np.ascontiguousarray(places))])


def strings(values: Sequence[str | None]) -> pa.StringArray:
    """Return texts, of which some may be missing, as an Arrow array; together they must be less than 2 GiB."""
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(data) for data in encoded], out=offsets[1:])
    is_there = np.array([value is not None for value in values], np.bool_)
    validity = None if is_there.all() else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    missing = len(encoded) - int(is_there.sum())
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)), validity, missing)


def of_type(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values of a table's column, texts or numbers, of which some may be missing, as an Arrow array of this type."""
    if kind == pa.string():
        return strings(values)
    is_there = np.array([value is not None for value in values], np.bool_)
    found = column(np.array([0 if value is None else value for value in values], np.dtype(kind.to_pandas_dtype())))
    if is_there.all():
        return found
    return pa.Array.from_buffers(kind, len(found), [pa.py_buffer(np.packbits(is_there, bitorder="little")), found.buffers()[1]])
