"""Merges that go on from the tokens that words have already."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

Words = list[tuple[int, list[int]]]
"""(how often a word occurs, its tokens)."""
Pair = tuple[int, int]


def grow_merges(
    words: Words, names: Mapping[int, str], num_merges: int, min_frequency: int
) -> Iterator[tuple[str, tuple[int, ...], tuple[str, str]]]:
    """Yield (name, old tokens, the pair of names) of at most `num_merges` new tokens.

    Byte pair encoding (Sennrich et al. 2016, section 3.2) over the tokens of now: the most frequent pair first, of equally frequent
    ones the first by ids. A pair whose name a token has already is left as it is: it would be another way to that token.
    """
    called = dict(names)
    taken = set(names.values())
    spelled: dict[int, tuple[int, ...]] = {number: (number,) for number in names}
    pairs = _Pairs(words, min_frequency)
    fresh = 1 + max(names)
    for number in range(fresh, fresh + num_merges):
        pair = pairs.pop(lambda pair: called[pair[0]] + called[pair[1]] not in taken)
        if pair is None:
            return
        left, right = called[pair[0]], called[pair[1]]
        called[number], spelled[number] = left + right, spelled[pair[0]] + spelled[pair[1]]
        taken.add(left + right)
        pairs.merge(pair, number)
        yield left + right, spelled[number], (left, right)


class _Pairs:
    """The pairs of neighbouring tokens with their counts, kept as words change."""

    def __init__(self, words: Words, min_frequency: int) -> None:
        self._words = [list(ids) for _, ids in words]
        self._weights = [count for count, _ in words]
        self._min_frequency = min_frequency
        self._counts: defaultdict[Pair, int] = defaultdict(int)
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for place, ids in enumerate(self._words):
            self._count(place, ids, 1)
        self._queue = [(-count, pair) for pair, count in self._counts.items() if count >= min_frequency]
        heapq.heapify(self._queue)

    def _count(self, place: int, ids: list[int], sign: int) -> set[Pair]:
        found = set()
        for pair in pairwise(ids):
            self._counts[pair] += sign * self._weights[place]
            self._places[pair].add(place)
            found.add(pair)
        return found

    def pop(self, allowed: Callable[[Pair], bool]) -> Pair | None:
        """Return the most frequent pair that is allowed, and forget it; None if none occurs often enough."""
        while self._queue:
            count, pair = heapq.heappop(self._queue)
            if -count != self._counts[pair]:
                if self._counts[pair] >= self._min_frequency:
                    heapq.heappush(self._queue, (-self._counts[pair], pair))
            elif allowed(pair):
                return pair
        return None

    def merge(self, pair: Pair, number: int) -> None:
        """Put the new token in place of the pair wherever it stands."""
        changed: set[Pair] = set()
        for place in self._places.pop(pair, set()):
            before = self._words[place]
            self._count(place, before, -1)
            self._words[place] = _joined(before, pair, number)
            changed |= self._count(place, self._words[place], 1)
        for touched in changed:
            if self._counts[touched] >= self._min_frequency and number in touched:
                heapq.heappush(self._queue, (-self._counts[touched], touched))


def _joined(ids: list[int], pair: Pair, number: int) -> list[int]:
    found: list[int] = []
    place = 0
    while place < len(ids):
        if place + 1 < len(ids) and (ids[place], ids[place + 1]) == pair:
            found.append(number)
            place += 2
        else:
            found.append(ids[place])
            place += 1
    return found
