"""Shares to the token: equal to water-filling worked out exactly, caps kept, sums right; what cannot be had is said."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError, DataError
from groundup.encode.config import MixConfig
from groundup.encode.draw import ALL, Draw, key_of, marks_of
from groundup.encode.mix import Supply, divide, fill, notes

LIMITS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=6)


def water_level(total: int, shares: list[Fraction], limits: list[int]) -> Fraction:
    """Return the level by walking through all places where a source is full, in order."""
    bends = sorted({Fraction(limit) / share for share, limit in zip(shares, limits, strict=True) if share})
    for low, high in zip([Fraction(0), *bends], bends, strict=False):
        below = sum(min(Fraction(limit), low * share) for share, limit in zip(shares, limits, strict=True))
        slope = sum(share for share, limit in zip(shares, limits, strict=True) if share and Fraction(limit) / share >= high)
        if below + slope * (high - low) >= total:
            return low + (total - below) / slope if slope else low
    return bends[-1]


def one_by_one(total: int, shares: list[Fraction], limits: list[int]) -> list[int]:
    """Give each token to the source that has least for its share and is not full."""
    parts = [0] * len(shares)
    for _ in range(total):
        able = [number for number, share in enumerate(shares) if share and parts[number] < limits[number]]
        parts[min(able, key=lambda number: (parts[number] + Fraction(1, 2)) / shares[number])] += 1
    return parts


@given(LIMITS, st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_fill_is_exact_water_filling(sources: list[tuple[int, int]], how_much: float) -> None:
    shares, limits = [Fraction(share) for share, _ in sources], [limit for _, limit in sources]
    most = sum(limit for share, limit in zip(shares, limits, strict=True) if share)
    total = round(how_much * most)
    parts = fill(total, shares, limits)
    assert sum(parts) == total
    level = water_level(total, shares, limits) if any(shares) else Fraction(0)
    for part, share, limit, other in zip(parts, shares, limits, one_by_one(total, shares, limits), strict=True):
        assert 0 <= part <= (limit if share else 0)
        assert abs(part - min(Fraction(limit), level * share)) < 1
        assert abs(part - other) <= 1


def test_more_than_the_limits_is_refused() -> None:
    with pytest.raises(ValueError, match="less than the total"):
        fill(11, [Fraction(1), Fraction(0)], [10, 10])


@given(
    st.lists(st.tuples(st.integers(1000, 10**9), st.integers(1, 99), st.sampled_from([0.5, 1, 2.5, 4])), min_size=1, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_without_a_total_shares_are_exact_and_one_source_is_at_its_cap(sources: list[tuple[int, int, float]]) -> None:
    names = [f"s{number}" for number in range(len(sources))]
    config = MixConfig(
        shares={name: share for name, (_, share, _) in zip(names, sources, strict=True)},
        epochs={name: epochs for name, (_, _, epochs) in zip(names, sources, strict=True)},
    )
    parts = divide(config, [Supply(name, tokens, 1) for name, (tokens, _, _) in zip(names, sources, strict=True)])
    total = sum(part.tokens for part in parts)
    assert all(abs(part.tokens - part.share * total) < 1 for part in parts)
    assert all(part.tokens <= part.limit for part in parts)
    assert min(part.limit - part.tokens for part in parts) <= 1
    assert notes(parts) == ()


def supplies(**tokens: int) -> list[Supply]:
    return [Supply(name, number, number // 100) for name, number in tokens.items()]


def test_51_to_49_with_a_source_that_runs_out() -> None:
    config = MixConfig(shares={"law": 51, "web": 40, "wiki": 9}, tokens=1_000_000, max_epochs=4)
    parts = divide(config, supplies(law=100_000, web=900_000, wiki=900_000))
    assert [part.tokens for part in parts] == [400_000, 489_796, 110_204]
    said = notes(parts)
    assert "'law' runs out: 100k tokens, 4 times, are 40.0% of the mix instead of 51.0%" in said[0]
    assert "'web' 49.0% instead of 40.0%, 'wiki' 11.0% instead of 9.0%" in said[1]


def test_an_empty_source_gives_its_share_to_the_others() -> None:
    parts = divide(MixConfig(shares={"a": 1, "b": 1, "c": 2}, max_epochs=2), supplies(a=0, b=300, c=300))
    assert [part.tokens for part in parts] == [0, 300, 600]
    assert "'a' runs out" in notes(parts)[0]


@pytest.mark.parametrize(("temperature", "expected"), [(1, [900, 90, 10]), (2, [697, 220, 73]), (1e9, [334, 333, 333])])
def test_temperature_evens_out(temperature: float, expected: list[int]) -> None:
    given_ = supplies(a=900_00, b=90_00, c=10_00)
    total = sum(expected)
    parts = divide(MixConfig(temperature=temperature, tokens=total), given_)
    powers = [supply.tokens ** (1 / temperature) for supply in given_]
    assert [part.tokens for part in parts] == pytest.approx([total * power / sum(powers) for power in powers], abs=1)
    assert [part.tokens for part in parts] == pytest.approx(expected, abs=11)


def test_what_cannot_be_had_is_said_with_figures_and_ways_out() -> None:
    config = MixConfig(shares={"law": 51, "web": 49}, tokens=1_000_000)
    with pytest.raises(DataError) as caught:
        divide(config, supplies(law=50_000, web=75_000))
    said = str(caught.value)
    assert "encode.mix.tokens=1,000,000 cannot be reached: the sources give at most 500,000" in said
    assert "'law' 50k x 4 + 'web' 75k x 4" in said
    assert "max_epochs to 8 or more" in said
    assert "125k tokens more" in said
    assert sum(part.tokens for part in divide(config.model_copy(update={"max_epochs": 8.0}), supplies(law=50_000, web=75_000)))


@pytest.mark.parametrize(
    ("shares", "match"),
    [({"law": 1, "wab": 1}, "no source 'wab' in the text; did you mean 'web'"), ({"law": 1}, "nothing is said of source 'web'")],
)
def test_names_must_be_those_of_the_text(shares: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        divide(MixConfig(shares=shares), supplies(law=100, web=100))


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({}, "say shares or temperature"),
        ({"shares": {"a": 1}, "temperature": 2}, "say shares or temperature"),
        ({"shares": {"a": -1}}, "below 0"),
        ({"shares": {"a": 0}}, "all 0"),
        ({"shares": {"a": 1, "b": 0}, "epochs": {"b": 2}}, "no effect"),
        ({"shares": {"a": 1}, "epochs": {"a": 0}}, "must be above 0"),
        ({"temperature": 0.5}, "greater than or equal to 1"),
    ],
)
def test_settings_that_clash_are_refused(settings_: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        MixConfig.parse(settings_, "recipe")


def drawn(keys: np.ndarray, tokens: np.ndarray, target: int, at_a_time: int = 100) -> Draw:
    draw = Draw()
    parts = [slice(first, first + at_a_time) for first in range(0, len(keys), at_a_time)]
    for part in parts:
        draw.count(keys[part], tokens[part])
    draw.aim(target)
    for part in parts:
        draw.look(keys[part], tokens[part])
    return draw


@given(st.integers(1, 400), st.integers(0, 2**32), st.floats(0.001, 0.999))
@settings(max_examples=100, deadline=None)
def test_a_draw_is_the_shortest_prefix_by_key_that_is_enough(number: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    keys = key_of(marks_of(f"doc/{name}" for name in range(number)), seed)
    if seed % 3 == 0:
        keys >>= np.uint64(48)  # all in the first range
    tokens = random.integers(1, 5000, number)
    target = max(int(share * tokens.sum()), 1)
    kept = drawn(keys, tokens, target).kept()
    sums = np.cumsum(tokens[np.argsort(keys)])
    assert kept.tokens == sums[kept.documents - 1] == tokens[keys <= kept.last_key].sum()
    assert kept.documents == (keys <= kept.last_key).sum()
    assert kept.tokens == sums[sums >= target][0]
    assert kept.tokens - target < tokens.max()


def test_a_larger_draw_keeps_what_a_smaller_one_does() -> None:
    keys, tokens = key_of(marks_of(map(str, range(1000))), 1), np.full(1000, 10)
    cuts = [drawn(keys, tokens, target).kept() for target in (10, 2000, 2001, 9000)]
    assert [kept.tokens for kept in cuts] == [10, 2000, 2010, 9000]
    assert all(a.last_key <= b.last_key for a, b in pairwise(cuts))
    assert drawn(keys, tokens, 5).all.last_key == ALL
    other = key_of(marks_of(map(str, range(1000))), 2)
    assert set(np.flatnonzero(other <= cuts[1].last_key)) != set(np.flatnonzero(keys <= cuts[1].last_key))
