"""How the windows of a mixed epoch follow each other: shuffled, or each source's in the order of its stream."""

from abc import ABC, abstractmethod

import numpy as np

from groundup.core.seeds import derive_seed
from groundup.train.config import OrderName
from groundup.train.randomness import GOLDEN_RATIO, Ints, UInts, mix

_ROUNDS = 8


class Arrangement(ABC):
    """Which window stands where, as permutations that any place of can be asked for by itself."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @abstractmethod
    def slots(self, places: Ints, epochs: Ints, shares: Ints, names: tuple[str, ...]) -> Ints:
        """Return the slot that each place of a mixed epoch holds: those of the first source are 0 .. shares[0] - 1, and so on.

        `names` make the order of one part of the run another than that of others.
        """

    @abstractmethod
    def windows(self, counts: Ints, epochs: Ints, size: int, name: str) -> Ints:
        """Return which of a source's `size` windows comes at each place of its own count in an epoch of the source."""


class Shuffled(Arrangement):
    """Everything in random order, anew in each epoch."""

    def slots(self, places: Ints, epochs: Ints, shares: Ints, names: tuple[str, ...]) -> Ints:
        return self._permuted(places, epochs, int(shares.sum()), "mix", *names)

    def windows(self, counts: Ints, epochs: Ints, size: int, name: str) -> Ints:
        return self._permuted(counts, epochs, size, "source", name)

    def _permuted(self, positions: Ints, epochs: Ints, size: int, *names: str) -> Ints:
        """Return the positions under the permutation that belongs to each one's epoch."""
        result = np.empty_like(positions)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            result[mine] = permute(positions[mine], size, derive_seed(self._seed, *names, int(epoch)))
        return result


class AsEncoded(Arrangement):
    """Each source from its first window to its last, the sources spread evenly over the mixed epoch.

    Window k of a source of s stands at (2 k + 1) / (2 s) of the epoch, windows of one place in the order of the sources.
    """

    def slots(self, places: Ints, epochs: Ints, shares: Ints, names: tuple[str, ...]) -> Ints:
        firsts = np.cumsum(shares) - shares
        result = np.full_like(places, -1)
        for source in np.flatnonzero(shares).tolist():
            counts = _counts(places, source, shares)
            here = _ranks(counts, source, shares) == places
            result[here] = firsts[source] + counts[here]
        assert (result >= 0).all(), "a place of the epoch holds no window"
        return result

    def windows(self, counts: Ints, epochs: Ints, size: int, name: str) -> Ints:
        return counts


def _counts(places: Ints, source: int, shares: Ints) -> Ints:
    """Return the first window of a source that does not stand before each place, or its last one, by halving.

    Ranks are a multiple of the count, but for one window of each other source.
    """
    share, slack = int(shares[source]), len(shares) + 2
    near = places * share // int(shares.sum())
    low, high = np.clip(near - slack, 0, share - 1), np.clip(near + slack, 0, share - 1)
    while (low < high).any():
        middle = (low + high) // 2
        is_before = _ranks(middle, source, shares) < places
        low, high = np.where(is_before, middle + 1, low), np.where(is_before, high, middle)
        low = np.minimum(low, high)
    return low


def _ranks(counts: Ints, source: int, shares: Ints) -> Ints:
    """Return how many windows of all sources stand before these of one."""
    ranks = np.zeros_like(counts)
    own = int(shares[source])
    for number, share in enumerate(shares.tolist()):
        scaled = (2 * counts + 1) * share - own
        before = scaled // (2 * own) + 1 if number < source else -(-scaled // (2 * own))
        ranks += counts if number == source else np.clip(before, 0, share)
    return ranks


ARRANGEMENTS: dict[OrderName, type[Arrangement]] = {"shuffled": Shuffled, "as_encoded": AsEncoded}


def permute(positions: Ints, size: int, seed: int) -> Ints:
    """Return where each of `positions` (all below `size`) goes under the permutation of 0..size-1 that `seed` picks.

    A Feistel network over the next even number of bits (Luby & Rackoff 1988), repeated on results that fall outside until they
    fall inside (cycle walking, Black & Rogaway 2002, section 3): no table, any size.
    """
    half_bits = max((size - 1).bit_length() + 1, 4) // 2
    keys = mix(np.uint64(seed) + np.arange(1, _ROUNDS + 1, dtype=np.uint64) * GOLDEN_RATIO)
    values = _feistel(positions.astype(np.uint64), half_bits, keys)
    outside = np.flatnonzero(values >= size)
    while outside.size:
        values[outside] = _feistel(values[outside], half_bits, keys)
        outside = outside[values[outside] >= size]
    return values.astype(np.int64)


def _feistel(values: UInts, half_bits: int, keys: UInts) -> UInts:
    shift, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> shift, values & mask
    for key in keys:
        left, right = right, left ^ (mix(right ^ key) & mask)
    return (left << shift) | right
