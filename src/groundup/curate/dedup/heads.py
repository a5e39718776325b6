"""Records that share a key: each is joined with the first of its group, in memory that is bounded however large a group is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from groundup.curate.dedup.words import Hashes

_BYTES_PER_NUMBER = 40
"""Of a number of a record at the peak of sorting: as it came, joined, ordered, and the order itself."""
_LARGEST = 1 << 64


@dataclass(frozen=True)
class Records:
    """Some records: each has a key of one or more numbers, a rank (the least is first) and a place that no other has."""

    keys: Hashes
    """[numbers of a key, records]"""
    ranks: Hashes
    places: Hashes

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Records":
        return Records(self.keys[:, which], self.ranks[which], self.places[which])


Scan = Callable[[], Iterable[Records]]
"""Reads all records from the start, part by part."""


def joined_with_heads(scan: Scan, num_records: int, heads: int, memory_bytes: int) -> Iterator[tuple[Hashes, Hashes]]:
    """Yield (places of records, places of heads): each record of a group with each of the group's heads that comes before it.

    A group is all records of one key; its heads are the first `heads` of them by (rank, place). So the first `heads` of a group are
    paired all with all, and each other one with these. Keys are hashes: a range of them at a time is worked on, so that
    what lies in memory is at most `memory_bytes` beside one part. All parts are read twice for each range.
    """
    first = next(iter(scan()), None)
    if first is None:
        return
    per_record = (len(first.keys) + 2) * _BYTES_PER_NUMBER
    for low, high in key_ranges(num_records, per_record, memory_bytes):
        found = _heads((_within(part, low, high) for part in scan()), heads, memory_bytes // per_record)
        if len(found.places):
            for part in scan():
                yield _pairs(_within(part, low, high), found)


def key_ranges(num_records: int, bytes_per_record: int, memory_bytes: int) -> list[tuple[int, int]]:
    """Return ranges [low, high) of 64-bit keys of about half of `memory_bytes` each: they hang on these numbers alone."""
    number = max(1, -(-2 * num_records * bytes_per_record // memory_bytes))
    edges = [_LARGEST * at // number for at in range(number + 1)]
    return list(pairwise(edges))


def _within(part: Records, low: int, high: int) -> Records:
    if (low, high) == (0, _LARGEST):
        return part
    return part.take((part.keys[0] >= np.uint64(low)) & (part.keys[0] <= np.uint64(high - 1)))


def _heads(parts: Iterable[Records], heads: int, capacity: int) -> Records:
    """Return the heads of all groups of at least two records, sorted by (key, rank, place)."""
    waiting: list[Records] = []
    num_waiting = 0
    for part in parts:
        waiting.append(part)
        num_waiting += len(part.places)
        if num_waiting > capacity:
            waiting = [_first_of_each(_joined(waiting), max(heads, 2))]
            num_waiting = len(waiting[0].places)
            capacity = max(capacity, 2 * num_waiting)
    return _first_of_each(_repeated(_joined(waiting)), heads)


def _joined(parts: list[Records]) -> Records:
    return Records(
        np.concatenate([part.keys for part in parts], axis=1),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.places for part in parts]),
    )


def _repeated(records: Records) -> Records:
    """Return the records whose first number of the key occurs more than once."""
    order = np.argsort(records.keys[0])
    keys = records.keys[0][order]
    is_repeated = np.zeros(len(order), bool)
    is_repeated[1:] = keys[1:] == keys[:-1]
    is_repeated[:-1] |= is_repeated[1:]
    return records.take(order[is_repeated])


def _first_of_each(records: Records, number: int) -> Records:
    """Return the first `number` records of each key, sorted by (key, rank, place)."""
    records = records.take(np.lexsort((records.places, records.ranks, *records.keys[::-1])))
    starts = _starts(records.keys)
    sizes = np.diff(starts, append=len(records.places))
    return records.take(np.arange(len(records.places)) - np.repeat(starts, sizes) < number)


def _starts(keys: Hashes) -> npt.NDArray[np.int64]:
    """Return where a new key begins in sorted keys."""
    is_new = np.ones(keys.shape[1], bool)
    is_new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return np.flatnonzero(is_new)


def _pairs(part: Records, heads: Records) -> tuple[Hashes, Hashes]:
    """Return the places of records of the part with those of the heads of their group before them."""
    starts = _starts(heads.keys)
    sizes = np.diff(starts, append=len(heads.places))
    keys = heads.keys[:, starts]
    at = np.searchsorted(keys[0], part.keys[0])
    at[at == len(starts)] = 0
    for _ in range(_most_equal(keys[0]) - 1):  # keys that agree in their first number alone
        later = (keys[:, at] != part.keys).any(axis=0) & (keys[0, at] == part.keys[0])
        at[later] = np.minimum(at[later] + 1, len(starts) - 1)
    members = np.flatnonzero((keys[:, at] == part.keys).all(axis=0))
    counts = sizes[at[members]]
    of = np.repeat(members, counts)
    steps = np.arange(len(of)) - np.repeat(counts.cumsum() - counts, counts)
    head = np.repeat(starts[at[members]], counts) + steps
    ranks, places = heads.ranks[head], heads.places[head]
    before = (ranks < part.ranks[of]) | ((ranks == part.ranks[of]) & (places < part.places[of]))
    return part.places[of[before]], places[before]


def _most_equal(values: Hashes) -> int:
    """Return how often the commonest of sorted values occurs."""
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    return int(np.diff(edges).max())
