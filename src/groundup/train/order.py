"""The order of training data: a pure function of (seed, fingerprint, step), with access to any step in constant time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ConfigError, DataError
from groundup.core.seeds import derive_seed
from groundup.train.arrangement import ARRANGEMENTS
from groundup.train.config import OrderName
from groundup.train.randomness import Ints

BLOCK_PLACES = 4096
_BLOCK_EPOCHS = 4
"""Mixed epochs of a very small corpus that a block holds: each one has shuffles of its own."""
_KEPT_BLOCKS = 4


@dataclass(frozen=True)
class Stream:
    """What the order needs to know of a source: its windows (runs of tokens that a row is made from) and its weight."""

    name: str
    windows: int
    weight: float

    @property
    def share(self) -> int:
        """Windows of the source in one mixed epoch."""
        return max(round(self.weight * self.windows), 1) if self.weight else 0


@dataclass(frozen=True)
class _Part:
    """A run of places with the same shares of the sources."""

    first: int
    """The place that it begins at."""
    shares: Ints
    """Windows of each source in one mixed epoch."""
    ahead: tuple[Ints, ...]
    """Of each source, what of its count was dealt to earlier parts and not taken by them; it comes first."""
    dealt: Ints
    """Of each source, where its count goes on after that."""
    names: tuple[str, ...]
    """What makes its order another than that of other parts."""

    @cached_property
    def ends(self) -> Ints:
        return np.cumsum(self.shares)

    @property
    def windows(self) -> int:
        """Windows in one mixed epoch."""
        return int(self.ends[-1])

    def count(self, source: int, numbers: Ints) -> Ints:
        """Return the source's count of all its windows for those numbered from 0 on in this part."""
        ahead = self.ahead[source]
        counts: Ints = numbers + (self.dealt[source] - len(ahead))
        if len(ahead):
            early = numbers < len(ahead)
            counts[early] = ahead[numbers[early]]
        return counts


class DataOrder:
    """Which window of which source each place of the run holds.

    A mixed epoch holds `share` windows of every source, as the arrangement called `name` has them. Each source counts its own
    windows on through the mixed epochs and arranges them anew each time all have been taken: after any number of mixed epochs, no
    window of a source has been seen two times more often than another. `changes` gives sources other weights from some place on;
    what a mixed epoch that is broken off there had not taken yet comes first after it, so that each source's count has no gaps.
    """

    def __init__(
        self,
        streams: list[Stream],
        seed: int,
        fingerprint: str,
        changes: Sequence[tuple[int, Mapping[str, float]]] = (),
        name: OrderName = "shuffled",
    ) -> None:
        self.streams = streams
        self._arrangement = ARRANGEMENTS[name](derive_seed(seed, "order", fingerprint))
        nothing = np.zeros(0, dtype=np.int64)
        part = _Part(0, _shares(streams), (nothing,) * len(streams), np.zeros(len(streams), dtype=np.int64), ())
        self._parts = [part]
        for number, (first, weights) in enumerate(changes, start=1):
            streams = [replace(stream, weight=weights.get(stream.name, stream.weight)) for stream in streams]
            self._parts.append(self._follow(self._parts[-1], first, _shares(streams), ("part", str(number))))
        self._block_places = min(BLOCK_PLACES, _BLOCK_EPOCHS * min(part.windows for part in self._parts))
        self._block = lru_cache(maxsize=_KEPT_BLOCKS)(self._read_block)
        self._firsts = np.array([part.first for part in self._parts], dtype=np.int64)

    @property
    def epoch_windows(self) -> int:
        """Windows in one mixed epoch, as the run begins."""
        return self._parts[0].windows

    def at(self, places: Ints) -> tuple[Ints, Ints, Ints]:
        """Return (source number, window number within the source, how often it was taken before) of each place, from 0 on."""
        source, count = np.empty_like(places), np.empty_like(places)
        numbers = np.searchsorted(self._firsts, places, side="right") - 1
        for number in np.unique(numbers):
            mine = numbers == number
            source[mine], count[mine] = self._dealt(self._parts[number], places[mine])
        window, times = np.empty_like(count), np.empty_like(count)
        for number, stream in enumerate(self.streams):
            mine = source == number
            source_epoch, position = np.divmod(count[mine], stream.windows)
            window[mine] = self._arrangement.windows(position, source_epoch, stream.windows, stream.name)
            times[mine] = source_epoch
        return source, window, times

    def between(self, first: int, stop: int) -> tuple[Ints, Ints, Ints]:
        """Return what `at` does of the places from `first` up to `stop`, out of blocks of which the last few are kept.

        Small steps that follow each other share a block, whose shuffle costs little more than that of a few places.
        """
        size = self._block_places
        numbers = range(first // size, (stop - 1) // size + 1)
        begin = numbers.start * size
        columns = zip(*(self._block(number) for number in numbers), strict=True)
        source, window, times = (np.concatenate(column)[first - begin : stop - begin] for column in columns)
        return source, window, times

    def _read_block(self, number: int) -> tuple[Ints, Ints, Ints]:
        return self.at(np.arange(number * self._block_places, (number + 1) * self._block_places, dtype=np.int64))

    def taken(self, place: int) -> list[int]:
        """Return how many windows of each source the places before this one hold."""
        part = self._parts[int(np.searchsorted(self._firsts, place, side="right")) - 1]
        epochs, rest = divmod(place - part.first, part.windows)
        partial = np.bincount(self._partial(part, epochs, rest)[0], minlength=len(self.streams))
        before = part.dealt - np.array([len(ahead) for ahead in part.ahead], dtype=np.int64)
        return (before + epochs * part.shares + partial).tolist()  # type: ignore[no-any-return]

    def _dealt(self, part: _Part, places: Ints) -> tuple[Ints, Ints]:
        """Return the source of each place of the part, and where it stands in that source's count."""
        epoch, place = np.divmod(places - part.first, part.windows)
        slot = self._arrangement.slots(place, epoch, part.shares, part.names)
        source = np.searchsorted(part.ends, slot, side="right").astype(np.int64)
        numbers = epoch * part.shares[source] + slot - (part.ends - part.shares)[source]
        counts = np.empty_like(numbers)
        for number in range(len(self.streams)):
            mine = source == number
            counts[mine] = part.count(number, numbers[mine])
        return source, counts

    def _partial(self, part: _Part, epoch: int, places: int) -> tuple[Ints, Ints]:
        """Return source, and number within the part, of the first `places` of a mixed epoch of the part."""
        positions = np.arange(places, dtype=np.int64)
        slot = self._arrangement.slots(positions, np.full_like(positions, epoch), part.shares, part.names)
        source = np.searchsorted(part.ends, slot, side="right").astype(np.int64)
        return source, epoch * part.shares[source] + slot - (part.ends - part.shares)[source]

    def _follow(self, part: _Part, first: int, shares: Ints, names: tuple[str, ...]) -> _Part:
        """Return the part that begins at place `first`: it takes up what the one before has dealt and not taken."""
        epochs, rest = divmod(first - part.first, part.windows)
        source, numbers = self._partial(part, epochs, rest)
        ahead, dealt = [], part.dealt.copy()
        for number, share in enumerate(part.shares):
            end = (epochs + 1) * share
            left = np.setdiff1d(np.arange(epochs * share, end, dtype=np.int64), numbers[source == number], assume_unique=True)
            ahead.append(np.concatenate([part.count(number, left), part.ahead[number][end:]]))
            dealt[number] += max(int(end) - len(part.ahead[number]), 0)
        return _Part(first, shares, tuple(ahead), dealt, names)


def _shares(streams: list[Stream]) -> Ints:
    shares = np.array([stream.share for stream in streams], dtype=np.int64)
    if not shares.any():
        names = ", ".join(stream.name for stream in streams)
        raise ConfigError(f"pretrain.mixture: every source ({names}) has weight 0 in a part; give one a weight above 0")
    return shares


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
