from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.train.arrangement import ARRANGEMENTS, permute
from groundup.train.order import BLOCK_PLACES, DataOrder, Stream

sizes = st.integers(1, 700)
seeds = st.integers(0, 2**64 - 1)
names = st.sampled_from(sorted(ARRANGEMENTS))
streams = st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 5)), min_size=1, max_size=4).map(
    lambda rows: [Stream(f"s{number}", windows, weight) for number, (windows, weight) in enumerate(rows)]
)


def places(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop, dtype=np.int64)


def pairs(order: DataOrder, start: int, stop: int) -> list[tuple[int, int]]:
    source, window, _ = order.at(places(start, stop))
    return list(zip(source.tolist(), window.tolist(), strict=True))


@given(size=sizes, seed=seeds)
@settings(deadline=None)
def test_permute_is_a_bijection(size: int, seed: int) -> None:
    assert sorted(permute(places(0, size), size, seed).tolist()) == list(range(size))


def test_permute_reaches_beyond_32_bits() -> None:
    size = 3 * 10**12
    values = permute(places(size - 1000, size), size, 1)
    assert len(set(values.tolist())) == 1000
    assert 0 <= values.min() < values.max() < size


def test_permutations_look_random() -> None:
    """Over many seeds each position goes everywhere equally often: chi-squared of 20 x 20 cells, 361 degrees of freedom."""
    size, trials = 20, 1000
    counts = np.zeros((size, size))
    for seed in range(trials):
        counts[places(0, size), permute(places(0, size), size, seed)] += 1
    expected = trials / size
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert 361 - 6 * 26.9 < chi_squared < 361 + 6 * 26.9  # standard deviation sqrt(2 x 361)


@given(streams=streams, seed=seeds, name=names)
@settings(deadline=None, max_examples=40)
def test_every_mixed_epoch_has_the_exact_shares_and_no_window_gets_ahead(streams: list[Stream], seed: int, name: str) -> None:
    order = DataOrder(streams, seed, "fingerprint", name=name)
    seen: Counter[tuple[int, int]] = Counter()
    for epoch in range(3):
        epoch_pairs = pairs(order, epoch * order.epoch_windows, (epoch + 1) * order.epoch_windows)
        by_source = Counter(source for source, _ in epoch_pairs)
        assert [by_source[number] for number in range(len(streams))] == [stream.share for stream in streams]
        seen.update(epoch_pairs)
        for number, stream in enumerate(streams):
            counts = [seen[number, window] for window in range(stream.windows)]
            assert max(counts) - min(counts) <= 1
    assert all(0 <= window < streams[source].windows for source, window in seen)


def test_with_weight_one_an_epoch_is_every_window_once() -> None:
    order = DataOrder([Stream("a", 37, 1.0), Stream("b", 5, 1.0)], 3, "fingerprint")
    everything = [(0, window) for window in range(37)] + [(1, window) for window in range(5)]
    for epoch in range(4):
        assert sorted(pairs(order, epoch * 42, (epoch + 1) * 42)) == everything


def test_rounded_away_source_still_gives_one_window() -> None:
    assert Stream("tiny", 3, 0.01).share == 1


@given(streams=streams, seed=seeds, cuts=st.lists(st.integers(0, 100), max_size=4), name=names)
@settings(deadline=None, max_examples=20)
def test_access_anywhere_equals_reading_through(streams: list[Stream], seed: int, cuts: list[int], name: str) -> None:
    order = DataOrder(streams, seed, "fingerprint", name=name)
    whole = pairs(order, 0, 100)
    edges = sorted({0, 100, *cuts})
    parts = [pairs(order, start, stop) for start, stop in pairwise(edges)]
    assert [pair for part in parts for pair in part] == whole


@given(streams=streams, seed=seeds, data=st.data(), name=names)
@settings(deadline=None, max_examples=12)
def test_changed_weights_leave_no_gap_in_any_sources_count(
    streams: list[Stream], seed: int, data: st.DataObject, name: str
) -> None:
    """Counted window by window: however often the weights change, no window of a source gets two ahead of another that is
    still to come, every part has its shares, and `taken` knows how many there were."""
    known = [stream.name for stream in streams]
    firsts = sorted(data.draw(st.sets(st.integers(1, 250), max_size=2)))
    weights = st.dictionaries(st.sampled_from(known), st.floats(0.1, 4), max_size=len(known))
    changes = [(first, data.draw(weights)) for first in firsts]
    order = DataOrder(streams, seed, "fingerprint", changes, name)
    plain = DataOrder(streams, seed, "fingerprint", name=name)
    first = firsts[0] if firsts else 400
    assert pairs(order, 0, first) == pairs(plain, 0, first)
    source, window, times = order.at(places(0, 400))
    for number in range(len(streams)):
        mine = list(zip(times[source == number].tolist(), window[source == number].tolist(), strict=True))
        assert len(set(mine)) == len(mine)  # an epoch of a source has each window once
    for place in (*firsts, 400):
        assert order.taken(place) == [int((source[:place] == number).sum()) for number in range(len(streams))]
    for part, (begin, changed) in enumerate(changes):
        streams = [Stream(s.name, s.windows, changed.get(s.name, s.weight)) for s in streams]
        end = (*firsts, 400)[part + 1]
        length = sum(stream.share for stream in streams)
        for epoch_end in range(begin + length, end + 1, length):
            counts = Counter(source[epoch_end - length : epoch_end].tolist())
            assert [counts[number] for number in range(len(streams))] == [stream.share for stream in streams]


@given(streams=streams, seed=seeds, change=st.integers(1, 200))
@settings(deadline=None, max_examples=20)
def test_what_a_broken_off_epoch_did_not_take_comes_first(streams: list[Stream], seed: int, change: int) -> None:
    """With the weights changed and changed back at once, two mixed epochs later every count is taken but for the last epoch's."""
    weights = {stream.name: stream.weight for stream in streams}
    order = DataOrder(streams, seed, "fingerprint", [(change, weights)])
    stop = change + 2 * order.epoch_windows
    source, window, times = order.at(places(0, stop))
    for number, stream in enumerate(streams):
        seen = set(zip(times[source == number].tolist(), window[source == number].tolist(), strict=True))
        finished = max(len(seen) - stream.share, 0) // stream.windows
        assert {(epoch, w) for epoch in range(finished) for w in range(stream.windows)} <= seen


@given(first=st.integers(0, 3 * BLOCK_PLACES), count=st.integers(1, 2 * BLOCK_PLACES))
@settings(deadline=None, max_examples=15)
def test_places_between_are_those_at(first: int, count: int) -> None:
    assert_between(_BLOCKED, first, count)


@given(first=st.integers(0, 60), count=st.integers(1, 40))
@settings(deadline=None, max_examples=15)
def test_places_between_of_a_tiny_corpus(first: int, count: int) -> None:
    assert_between(DataOrder([Stream("a", 1, 1.0), Stream("b", 2, 1.0)], 0, "x", [(7, {"a": 3.0})]), first, count)


def assert_between(order: DataOrder, first: int, count: int) -> None:
    expected = order.at(places(first, first + count))
    for found, wanted in zip(order.between(first, first + count), expected, strict=True):
        assert np.array_equal(found, wanted)


_BLOCKED = DataOrder([Stream("a", 900, 1.0), Stream("b", 1200, 2.0)], 0, "x", [(BLOCK_PLACES + 9, {"a": 0.5})])


def test_a_weight_of_zero_leaves_a_source_out() -> None:
    order = DataOrder([Stream("a", 10, 1.0), Stream("b", 4, 2.0)], 0, "x", [(7, {"a": 0.0})])
    source, _, _ = order.at(places(7, 200))
    assert set(source.tolist()) == {1}
    with pytest.raises(ConfigError, match=r"every source \(a, b\) has weight 0"):
        DataOrder([Stream("a", 10, 1.0), Stream("b", 4, 2.0)], 0, "x", [(7, {"a": 0.0, "b": 0.0})])


def test_access_anywhere_equals_reading_through_changes() -> None:
    order = DataOrder([Stream("a", 30, 1.0), Stream("b", 14, 2.0)], 5, "x", [(33, {"a": 0.5}), (61, {"b": 0.1})])
    whole = pairs(order, 0, 200)
    assert [pairs(order, place, place + 1)[0] for place in range(200)] == whole


def test_seed_fingerprint_and_epoch_change_the_order() -> None:
    streams = [Stream("a", 100, 1.0), Stream("b", 50, 1.0)]
    base = DataOrder(streams, 0, "x")
    others = [pairs(DataOrder(streams, 1, "x"), 0, 150), pairs(DataOrder(streams, 0, "y"), 0, 150), pairs(base, 150, 300)]
    assert pairs(DataOrder(streams, 0, "x"), 0, 150) == pairs(base, 0, 150)
    assert all(other != pairs(base, 0, 150) for other in others)


def test_order_is_the_same_on_every_machine() -> None:
    """Golden: a change here breaks resuming of runs made before it."""
    order = DataOrder([Stream("a", 10, 1.0), Stream("b", 4, 2.0)], 0, "x")
    assert pairs(order, 0, 6) == [(1, 1), (1, 2), (1, 0), (0, 7), (0, 5), (0, 6)]


@given(streams=streams, seed=seeds, first=st.integers(0, 300), weights=st.lists(st.floats(0.1, 4), min_size=4, max_size=4))
@settings(deadline=None, max_examples=25)
def test_as_encoded_reads_each_source_from_its_beginning_to_its_end(
    streams: list[Stream], seed: int, first: int, weights: list[float]
) -> None:
    """Whatever the weights, and when they change: the n-th window of a source that comes is n modulo its windows."""
    changes = [(first, {stream.name: weight for stream, weight in zip(streams, weights, strict=False)})]
    for order in (DataOrder(streams, seed, "x", name="as_encoded"), DataOrder(streams, seed, "x", changes, "as_encoded")):
        source, window, times = order.at(places(0, 400))
        for number, stream in enumerate(streams):
            epochs, windows = np.divmod(np.arange((source == number).sum()), stream.windows)
            assert window[source == number].tolist() == windows.tolist()
            assert times[source == number].tolist() == epochs.tolist()


@given(shares=st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any))
@settings(deadline=None, max_examples=60)
def test_as_encoded_spreads_sources_as_a_sort_of_their_places_does(shares: list[int]) -> None:
    order = DataOrder(
        [Stream(f"s{number}", max(share, 1), float(share > 0)) for number, share in enumerate(shares)], 0, "x", (), "as_encoded"
    )
    expected = sorted((Fraction(2 * k + 1, 2 * share), number, k) for number, share in enumerate(shares) for k in range(share))
    assert pairs(order, 0, sum(shares)) == [(number, k) for _, number, k in expected]


def test_as_encoded_of_sources_too_large_to_list() -> None:
    streams = [
        Stream("a", 10**9, 1.0),
        Stream("b", 3, 1.0),
        Stream("c", 7 * 10**8 + 1, 1.0),
        *(Stream(f"d{n}", 1, 1.0) for n in range(20)),
    ]
    order = DataOrder(streams, 0, "x", (), "as_encoded")
    for start in (0, order.epoch_windows // 2 - 50, order.epoch_windows - 100):
        source, window, times = order.at(places(start, start + 100))
        taken = np.array(order.taken(start)) if start == 0 else None
        for number in (0, 2):
            mine = window[source == number]
            assert (np.diff(mine) == 1).all()
            assert abs(mine[0] / streams[number].windows - start / order.epoch_windows) < 1e-6
        assert times.max() == 0
        assert taken is None or not taken.any()
