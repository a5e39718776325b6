"""The order of training data: a pure function of (seed, fingerprint, step), with access to any step in constant time."""

from dataclasses import dataclass

import numpy as np

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import DataError
from groundup.core.seeds import derive_seed
from groundup.train.randomness import GOLDEN_RATIO, Ints, UInts, mix

_ROUNDS = 8


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


@dataclass(frozen=True)
class Stream:
    """What the order needs to know of a source: its windows (runs of tokens that a row is made from) and its weight."""

    name: str
    windows: int
    weight: float

    @property
    def share(self) -> int:
        """Windows of the source in one mixed epoch."""
        return max(round(self.weight * self.windows), 1)


class DataOrder:
    """Which window of which source each place of the run holds.

    A mixed epoch holds `share` windows of every source, shuffled. Each source counts its own windows on through the mixed
    epochs and shuffles anew each time all have been taken: after any number of mixed epochs, no window of a source has been
    seen two times more often than another.
    """

    def __init__(self, streams: list[Stream], seed: int, fingerprint: str) -> None:
        self.streams = streams
        self._seed = derive_seed(seed, "order", fingerprint)
        self._shares = np.array([stream.share for stream in streams], dtype=np.int64)
        self._ends = np.cumsum(self._shares)

    @property
    def epoch_windows(self) -> int:
        """Windows in one mixed epoch."""
        return int(self._ends[-1])

    def at(self, places: Ints) -> tuple[Ints, Ints, Ints]:
        """Return (source number, window number within the source, how often it was taken before) of each place, from 0 on."""
        epoch, place = np.divmod(places, self.epoch_windows)
        slot = self._shuffle(place, epoch, self.epoch_windows, "mix")
        source = np.searchsorted(self._ends, slot, side="right").astype(np.int64)
        count = epoch * self._shares[source] + slot - (self._ends - self._shares)[source]
        window, times = np.empty_like(count), np.empty_like(count)
        for number, stream in enumerate(self.streams):
            mine = source == number
            source_epoch, position = np.divmod(count[mine], stream.windows)
            window[mine] = self._shuffle(position, source_epoch, stream.windows, "source", stream.name)
            times[mine] = source_epoch
        return source, window, times

    def _shuffle(self, positions: Ints, epochs: Ints, size: int, *names: str) -> Ints:
        """Return the positions under the permutation that belongs to each one's epoch."""
        result = np.empty_like(positions)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            result[mine] = permute(positions[mine], size, derive_seed(self._seed, *names, int(epoch)))
        return result


def streams_of(shards: TokenShards, split: Split, stride: int, overlap: int) -> list[Stream]:
    """Return the sources of the split that fill at least one window of `stride + overlap` tokens.

    A window begins `stride` tokens after the one before. Raises DataError if no source fills one.
    """
    streams = []
    for source in shards.info.sources:
        windows = (source.tokens[split] - overlap) // stride
        if windows > 0:
            streams.append(Stream(source.name, windows, source.weight))
    if not streams:
        longest = max((source.tokens[split] for source in shards.info.sources), default=0)
        raise DataError(
            f"{shards.path}: the {split} text is too short: its longest source has {longest:,} tokens, one sequence takes "
            f"{stride + overlap:,}; add text, or set pretrain.seq_len below {max(longest, 2):,}"
        )
    return streams
