"""Probabilities equal those of a slow version written from the paper, and sum to one; places in tables are exact."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.perplexity.slow_kneser_ney import SlowModel
from groundup.curate.perplexity.ngrams import NgramModel
from groundup.curate.perplexity.pieces import START, Tokens
from groundup.curate.perplexity.table import MISSING, Table, keys_of
from groundup.curate.perplexity.training.kneser_ney import FALLBACK, discounts, estimate

NUM_TOKENS = 12
VOCABULARY = [token for token in range(NUM_TOKENS) if token != START]
TOLERANCE = 3e-6  # ln p is stored as float32, and a few of them are added
TOKENS = st.sampled_from(VOCABULARY)
TEXTS = st.lists(st.lists(TOKENS, min_size=1, max_size=40), min_size=1, max_size=8)


def chain(number: int, length: int, seed: int) -> list[list[int]]:
    """Texts in which some tokens follow some others more often than chance has it, so that all counts occur."""
    chance = random.Random(seed)
    texts = []
    for _ in range(number):
        text = [chance.choice(VOCABULARY)]
        for _ in range(length):
            text.append(VOCABULARY[(text[-1] * 3 + chance.choice((0, 0, 0, 0, 1, 1, 2, 5, 7))) % len(VOCABULARY)])
        texts.append(text)
    return texts


def stream_of(texts: list[list[int]]) -> Tokens:
    return np.array([token for text in texts for token in (START, *text)], np.int32)


def model_of(texts: list[list[int]], order: int, min_count: int) -> NgramModel:
    return estimate(stream_of(texts), order, NUM_TOKENS, min_count)[0]


def log_probs(model: NgramModel, text: list[int]) -> list[float]:
    return model.log_probs(np.array([START, *text], np.int32))[1:].tolist()


def assert_equal(texts: list[list[int]], asked: list[list[int]], order: int, min_count: int) -> None:
    model, slow = model_of(texts, order, min_count), SlowModel([[START, *text] for text in texts], order, VOCABULARY, min_count)
    for text in asked:
        whole = (START, *text)
        expected = [math.log(slow.prob(whole[:at], whole[at])) for at in range(1, len(whole))]
        assert log_probs(model, text) == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.parametrize(("order", "min_count"), [(2, 1), (3, 1), (5, 1), (3, 2), (5, 2), (4, 3)])
def test_probabilities_equal_the_slow_version(order, min_count):
    texts = chain(10, 60, seed=0)
    used = estimate(stream_of(texts), order, NUM_TOKENS, min_count)[1]
    assert len(used) == order
    assert order == 2 or used[2] != FALLBACK
    assert_equal(texts, [*texts[:2], *chain(3, 20, seed=1)], order, min_count)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.lists(TOKENS, max_size=12), st.integers(2, 5), st.integers(1, 3))
def test_any_texts_give_the_probabilities_of_the_slow_version(texts, asked, order, min_count):
    assert_equal(texts, [asked, texts[0][:5]], order, min_count)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.lists(TOKENS, max_size=6), st.integers(2, 5), st.integers(1, 3))
def test_probabilities_sum_to_one_after_any_context(texts, context, order, min_count):
    model = model_of(texts, order, min_count)
    for known in (context, texts[0][:4]):
        assert sum(math.exp(log_probs(model, [*known, token])[-1]) for token in VOCABULARY) == pytest.approx(1, abs=1e-5)


def test_texts_of_one_stream_do_not_see_each_other():
    model = model_of(chain(10, 60, seed=0), 5, 1)
    first, second = chain(2, 15, seed=2)
    both = model.log_probs(np.array([START, *first, START, *second], np.int32))
    assert both.tolist() == [0, *log_probs(model, first), 0, *log_probs(model, second)]
    one, other, empty = model.perplexities(np.array([START, *first, START, *second, START], np.int32))
    assert one == pytest.approx(math.exp(-np.mean(log_probs(model, first))))
    assert other == pytest.approx(math.exp(-np.mean(log_probs(model, second))))
    assert empty == NUM_TOKENS - 1


def test_discounts_are_those_of_the_paper():
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 10, 5])
    y = 100 / (100 + 80)
    assert discounts(counts) == pytest.approx((1 - 2 * y * 0.4, 2 - 3 * y * 0.5, 3 - 4 * y * 0.5))
    assert discounts(np.repeat([1, 2, 3], [10, 5, 2])) == FALLBACK


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 65_535)), max_size=60), st.integers(0, 5))
def test_a_table_finds_what_it_holds_and_nothing_else(grams, shift):
    both = np.array(sorted(grams), np.int64).reshape(-1, 2)
    keys = keys_of(both[:, 0], both[:, 1], 65_536)
    assert len(np.unique(keys)) == len(keys)
    table = Table.of(np.sort(keys))
    assert table.keys[table.find(keys)].tolist() == keys.tolist()
    others = {(prefix + shift + 1, token) for prefix, token in grams} - grams
    other = np.array(sorted(others), np.int64).reshape(-1, 2)
    assert (table.find(keys_of(other[:, 0], other[:, 1], 65_536)) == MISSING).all()
