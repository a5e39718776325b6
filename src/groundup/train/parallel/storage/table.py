"""Where each tensor lies in a safetensors file."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
import torch

_CODES: Final[dict[torch.dtype, str]] = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Names of dtypes in the file, in the order in which the library lays their tensors down: the widest first."""
DTYPES: Final = {code: dtype for dtype, code in _CODES.items()}
_ORDER: Final = {dtype: place for place, dtype in enumerate(_CODES)}
_ALIGNMENT = 8


@dataclass(frozen=True)
class Entry:
    """One tensor of the file."""

    begin: int
    """Its first byte in the file."""
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Table:
    """The layout of a file: what stands before the data, and where each tensor lies."""

    header: bytes
    entries: Mapping[str, Entry]

    @property
    def num_bytes(self) -> int:
        """Size of the file."""
        return len(self.header) + sum(entry.num_bytes for entry in self.entries.values())


def table_of(tensors: Mapping[str, tuple[Sequence[int], torch.dtype]]) -> Table:
    """Return the table of tensors of these shapes and dtypes, as the safetensors library writes them in one process."""
    names = sorted(tensors, key=lambda name: (_ORDER[tensors[name][1]], name))
    described, begins, end = {}, {}, 0
    for name in names:
        shape, dtype = tensors[name]
        begins[name], end = end, end + prod(shape) * dtype.itemsize
        described[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [begins[name], end]}
    text = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    header = struct.pack("<Q", len(text)) + text
    return Table(header, {n: Entry(len(header) + begins[n], tuple(tensors[n][0]), tensors[n][1]) for n in names})


def runs(shape: Sequence[int], offsets: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the stretches in which a part of a tensor lies: first element in the whole, first element in the part, length.

    The part begins at `offsets` and has `sizes`; both tensors are dense, the last dim innermost.
    """
    whole_dims = 0
    while whole_dims < len(shape) and sizes[len(shape) - 1 - whole_dims] == shape[len(shape) - 1 - whole_dims]:
        whole_dims += 1
    outer = max(len(shape) - whole_dims - 1, 0)  # of these dims each index begins a stretch
    length = prod(sizes[outer:])
    if length == 0:
        return
    strides = [prod(shape[dim + 1 :]) for dim in range(len(shape))]
    base = sum(offset * stride for offset, stride in zip(offsets, strides, strict=True))
    for number, index in enumerate(np.ndindex(*sizes[:outer])):
        yield base + sum(place * stride for place, stride in zip(index, strides, strict=False)), number * length, length
