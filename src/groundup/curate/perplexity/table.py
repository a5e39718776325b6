"""N-grams of one length, found by their first words and their last one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
MISSING = -1
_SPREAD = 0x9E3779B97F4A7C15
"""An odd number near 2^64 over the golden ratio: its multiples lie evenly modulo 2^64 (Knuth, volume 3, section 6.4)."""
_END = np.uint64(2**64 - 1)
"""Behind all keys; the n-gram that would have this key has a place above 2^32."""


def keys_of(prefixes: npt.NDArray[Any], tokens: npt.NDArray[Any], num_tokens: int) -> Keys:
    """Return one number for each n-gram, given the place of its first n - 1 words among those of their length, and its last one.

    Two n-grams have the same key only if they are the same; keys are spread over 64 bits.
    """
    keys = prefixes.astype(np.uint64)
    keys *= np.uint64(num_tokens * _SPREAD % 2**64)
    last = tokens.astype(np.uint64)
    last *= np.uint64(_SPREAD)
    keys += last
    return keys


@dataclass(frozen=True)
class Table:
    """Sorted keys with `_END` behind them, and where those with the same highest bits begin. An n-gram is named by its place."""

    keys: Keys
    starts: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, keys: Keys) -> "Table":
        """Return the table of sorted keys, no two the same."""
        bits = max(len(keys).bit_length(), 1)
        heads = keys >> np.uint64(64 - bits)
        starts = np.searchsorted(heads, np.arange(1 << bits, dtype=np.uint64)).astype(np.uint32)
        return cls(np.append(keys, _END), starts)

    def __len__(self) -> int:
        return len(self.keys) - 1

    def find(self, wanted: Keys) -> Places:
        """Return the place of each key, `MISSING` where there is none."""
        places: Places = self.starts[wanted >> np.uint64(65 - len(self.starts).bit_length())].astype(np.int64)
        keys = self.keys[places]
        later = np.flatnonzero(keys < wanted)
        while len(later):
            places[later] += 1
            there = self.keys[places[later]]
            keys[later] = there
            later = later[there < wanted[later]]
        places[keys != wanted] = MISSING
        return places
