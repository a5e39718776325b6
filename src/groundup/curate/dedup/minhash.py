"""MinHash: a short signature of a set of shingles, and keys that near-duplicates share."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.words import Hashes, mix

NUM_BANDS = 20
NUM_ROWS = 6
_BLOCK = 1 << 16
_HALF = np.uint64(32)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def collision_probability(jaccard: float, bands: int = NUM_BANDS, rows: int = NUM_ROWS) -> float:
    """Return the probability that two sets of this similarity share a band: 1 - (1 - J^r)^b (Leskovec et al. 2014, 3.4.2)."""
    return 1 - (1 - jaccard**rows) ** bands


def signatures(shingles: Shingles, num_hashes: int = NUM_BANDS * NUM_ROWS) -> npt.NDArray[np.uint32]:
    """Return [hashes, texts]: for each hash function its least value over the shingles of each text (Broder 1997).

    h_k(x) = a_k x + b_k mod 2^32 with odd a_k, of the upper half x of a shingle's hash, which is scrambled already.
    Two texts agree at k with probability J, their Jaccard similarity. Each text has at least one shingle.
    """
    a, b = _functions(num_hashes)
    found = np.empty((num_hashes, len(shingles)), np.uint32)
    for first, last in _blocks(shingles):
        start, end = shingles.offsets[first], shingles.offsets[last]
        values = (shingles.hashes[start:end] >> _HALF).astype(np.uint32)
        starts = shingles.offsets[first:last] - start
        hashed = np.empty_like(values)
        for k in range(num_hashes):
            np.multiply(values, a[k], out=hashed)
            np.add(hashed, b[k], out=hashed)
            np.minimum.reduceat(hashed, starts, out=found[k, first:last])
    return found


def band_keys(shingles: Shingles, bands: int = NUM_BANDS, rows: int = NUM_ROWS) -> Hashes:
    """Return [bands, texts]: a 64-bit key of each band of `rows` hashes; texts that share one are candidates."""
    signature = signatures(shingles, bands * rows).reshape(bands, rows, -1)
    keys = np.zeros((bands, len(shingles)), np.uint64)
    for row in range(rows):
        keys *= _FACTOR
        keys += signature[:, row]
        mix(keys)
    return keys


def _functions(number: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return a and b of each hash function: the same numbers everywhere and always."""
    numbers = (mix(np.arange(1, 2 * number + 1, dtype=np.uint64)) >> _HALF).astype(np.uint32)
    return numbers[:number] | np.uint32(1), numbers[number:]


def _blocks(shingles: Shingles) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts that have about `_BLOCK` shingles together: few enough for the cache."""
    first = 0
    while first < len(shingles):
        last = int(np.searchsorted(shingles.offsets, shingles.offsets[first] + _BLOCK))
        last = min(max(last, first + 1), len(shingles))
        yield first, last
        first = last
