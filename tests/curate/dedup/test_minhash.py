"""Signatures equal a slow version; texts share bands as often as the formula says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.dedup import minhash
from groundup.curate.dedup.minhash import NUM_BANDS, NUM_ROWS, band_keys, collision_probability, signatures
from groundup.curate.dedup.shingles import Shingles, shingle_sets, word_runs
from groundup.curate.dedup.words import read_words

SETS = st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9), min_size=1, max_size=6)
SIGMAS = 4.0
"""A right program passes a test of a random number with probability 0.99994."""


def as_shingles(sets: list[list[int]]) -> Shingles:
    return Shingles(np.array([value for values in sets for value in values], np.uint64), np.cumsum([0, *map(len, sets)]))


def slow_signature(values: list[int], num_hashes: int) -> list[int]:
    a, b = (numbers.tolist() for numbers in minhash._functions(num_hashes))
    return [min((a[k] * (value >> 32) + b[k]) % 2**32 for value in values) for k in range(num_hashes)]


@given(SETS)
def test_signatures_equal_the_slow_ones(sets):
    assert signatures(as_shingles(sets), 7).T.tolist() == [slow_signature(values, 7) for values in sets]


def test_blocks_change_nothing(monkeypatch):
    sets = [[*range(k << 40, (k << 40) + 7 * k + 1)] for k in range(20)]
    whole = signatures(as_shingles(sets))
    monkeypatch.setattr(minhash, "_BLOCK", 10)
    assert (signatures(as_shingles(sets)) == whole).all()


@given(SETS)
def test_a_key_is_shared_exactly_where_all_rows_are(sets):
    shingles = as_shingles([*sets, *sets[:1]])
    rows = signatures(shingles, 6).reshape(3, 2, -1)
    keys = band_keys(shingles, bands=3, rows=2)
    for band in range(3):
        same = (rows[band][:, :, None] == rows[band][:, None, :]).all(axis=0)
        assert ((keys[band][:, None] == keys[band][None, :]) == same).all()


def test_repeated_shingles_and_their_order_do_not_count():
    texts = ["a b c d e f g h a b c d e f g h " * 3, "one two"]
    assert (band_keys(word_runs(read_words(texts))) == band_keys(shingle_sets(texts))).all()


def test_hash_functions_are_one_to_one():
    assert (minhash._functions(NUM_BANDS * NUM_ROWS)[0] % 2 == 1).all()


@pytest.mark.parametrize("jaccard", [0.3, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("size", [20, 240])
def test_pairs_agree_and_collide_as_often_as_the_formula_says(jaccard, size):
    """Of 1,500 pairs of random sets: the share of equal hashes, its spread (hash functions independent) and the pairs found."""
    pairs = 1500
    shared = round(2 * size * jaccard / (1 + jaccard))
    true = shared / (2 * size - shared)
    random = np.random.default_rng(7)
    common = random.integers(0, 2**64, (pairs, 1, shared), np.uint64).repeat(2, axis=1)
    own = random.integers(0, 2**64, (pairs, 2, size - shared), np.uint64)
    both = Shingles(np.concatenate([common, own], axis=2).reshape(-1), np.arange(2 * pairs + 1) * size)
    signature = signatures(both)
    share = (signature[:, ::2] == signature[:, 1::2]).mean(axis=0)
    deviation = math.sqrt(true * (1 - true) / len(signature))
    assert abs(share.mean() - true) < SIGMAS * deviation / math.sqrt(pairs)
    assert abs(share.std() / deviation - 1) < SIGMAS / math.sqrt(2 * pairs)
    keys = band_keys(both)
    found = (keys[:, ::2] == keys[:, 1::2]).any(axis=0).mean()
    expected = collision_probability(true)
    assert abs(found - expected) <= SIGMAS * math.sqrt(expected * (1 - expected) / pairs) + 1 / pairs


def test_the_probability_is_that_of_the_text_book():
    """Leskovec, Rajaraman, Ullman 2014, figure 3.8: 20 bands of 5 rows."""
    published = {0.2: 0.006, 0.3: 0.047, 0.4: 0.186, 0.5: 0.470, 0.6: 0.802, 0.7: 0.975, 0.8: 0.9996}
    for jaccard, probability in published.items():
        assert collision_probability(jaccard, bands=20, rows=5) == pytest.approx(probability, abs=5e-4)


def test_the_bands_find_what_is_promised():
    assert collision_probability(0.80) > 0.997
    assert collision_probability(0.85) > 0.9999
    assert collision_probability(0.30) < 0.015


def test_keys_are_the_same_on_every_machine():
    assert band_keys(shingle_sets(["one two three four five six"]), bands=2, rows=3).tolist() == GOLDEN


GOLDEN = [[8147305931015951302], [13593005355430645141]]
