"""Random bits that are a pure function of (seed, stream, place): the same in any order, batch or process."""

import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: its multiples are spread evenly modulo 2^64."""
_FOLD = np.uint64(33)
_HALF = np.uint64(32)


def mix(values: UInts) -> UInts:
    """Spread every bit over all 64: multiply and fold, twice (arithmetic modulo 2^64)."""
    for multiplier in (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)):
        values = values ^ (values >> _FOLD)
        values *= multiplier
    return values ^ (values >> _FOLD)


def random_bits(seeds: UInts, stream: int, places: Ints) -> UInts:
    """Return 64 random bits for each place of a stream of each seed; seeds and places are broadcast.

    mix(mix(seed + (stream + 1) g) + place g) with g = GOLDEN_RATIO: a Weyl sequence and a mixing function (Steele et al. 2014).
    """
    key = mix(seeds + np.uint64((stream + 1) * int(GOLDEN_RATIO) % 2**64))
    return mix(key + places.astype(np.uint64) * GOLDEN_RATIO)


def uniforms(bits: UInts) -> Floats:
    """Return numbers in [0, 1), multiples of 2^-32, from random bits."""
    return (bits >> _HALF).astype(np.float64) * 2.0**-32
