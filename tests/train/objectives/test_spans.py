"""Numbers, lengths and places of hidden spans."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.train.objectives.documents import Documents
from groundup.train.objectives.ragged import padded, places, running_sums, sums
from groundup.train.objectives.spans import (
    choose,
    count_noise,
    fill_budgets,
    geometric,
    lay,
    poisson,
    poisson_zeros,
    share_of_each,
    share_out,
    split_evenly,
)
from groundup.train.randomness import random_bits
from packed_rows import EOS, made_up_vocabulary, random_rows, rows_of_lengths

TRIALS = 4000
VOCABULARY = made_up_vocabulary()
sizes = st.lists(st.integers(0, 12), min_size=1, max_size=8)


def some_bits(count: int, seed: int = 0) -> np.ndarray:
    return random_bits(np.array([seed], dtype=np.uint64), 0, np.arange(count))


def documents_of(lengths: list[list[int]]) -> Documents:
    raw_len = max(sum(row) for row in lengths)
    return Documents.of(rows_of_lengths(lengths, raw_len, VOCABULARY), EOS)


def assert_equally_likely(found: Counter, possible: int) -> None:
    """Chi-squared within five standard deviations."""
    expected = sum(found.values()) / possible
    chi_squared = sum((count - expected) ** 2 / expected for count in found.values()) + (possible - len(found)) * expected
    assert len(found) <= possible
    assert chi_squared < possible - 1 + 5 * math.sqrt(2 * (possible - 1))


@given(sizes=sizes)
def test_groups(sizes):
    groups = [list(range(10 * number, 10 * number + size)) for number, size in enumerate(sizes)]
    values, lens = np.array([v for g in groups for v in g], dtype=np.int64), np.array(sizes)
    assert sums(values, lens).tolist() == [sum(group) for group in groups]
    assert places(lens).tolist() == [place for group in groups for place in range(len(group))]
    assert running_sums(values, lens).tolist() == [s for group in groups for s in itertools.accumulate(group)]
    assert padded(values, lens, 12, -5).tolist() == [group + [-5] * (12 - len(group)) for group in groups]


def slow_count(length: int, rate: float, mean: float) -> tuple[int, int]:
    tokens = min(max(round(length * rate), 1), length - 1)
    return tokens, max(round(tokens / mean), 1)


@pytest.mark.parametrize(("rate", "mean"), [(0.15, 3.0), (0.15, 8.0), (0.5, 3.0), (0.5, 64.0), (0.25, math.inf)])
def test_counts_are_those_of_the_released_code(rate, mean):
    lengths = np.arange(4, 3000)
    tokens, spans = count_noise(lengths, rate, mean)
    assert list(zip(tokens.tolist(), spans.tolist(), strict=True)) == [slow_count(n, rate, mean) for n in lengths.tolist()]


def test_counts_of_the_shortest():
    tokens, spans = count_noise(np.array([0, 1, 2, 3]), 0.9, 1.0)
    assert tokens.tolist() == [0, 0, 1, 2]
    assert spans.tolist() == [0, 0, 1, 1]


@settings(max_examples=50, deadline=None)
@given(sizes=sizes, data=st.data())
def test_as_many_are_chosen_as_asked_for(sizes, data):
    counts = [data.draw(st.integers(0, size)) for size in sizes]
    chosen = choose(np.array(sizes), np.array(counts), some_bits(sum(sizes)))
    assert sums(chosen.astype(np.int64), np.array(sizes)).tolist() == counts


def test_every_subset_is_equally_likely():
    chosen = choose(np.full(TRIALS, 6), np.full(TRIALS, 3), some_bits(6 * TRIALS)).reshape(TRIALS, 6)
    assert_equally_likely(Counter(map(tuple, chosen.tolist())), math.comb(6, 3))


def test_every_split_is_equally_likely():
    documents = documents_of([[20]] * TRIALS)
    lens = split_evenly(documents, np.full(TRIALS, 7), np.full(TRIALS, 3), 0).reshape(TRIALS, 3)
    assert (lens.sum(axis=1) == 7).all()
    assert_equally_likely(Counter(map(tuple, lens.tolist())), math.comb(6, 2))


def test_every_arrangement_is_equally_likely():
    documents = documents_of([[9]] * TRIALS)
    lens = np.tile(np.array([1, 2]), TRIALS)
    hidden = lay(documents, np.full(TRIALS, 9), np.full(TRIALS, 2), lens, 0).reshape(TRIALS, 9)
    assert not hidden[:, 0].any()
    assert_equally_likely(Counter(map(tuple, hidden.tolist())), math.comb(6, 2))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), mean_len=st.sampled_from([2, 5, 20, 100]), rate=st.floats(0.01, 0.9), mean=st.floats(1, 20))
def test_spans_are_laid_as_they_are_shared_out(seed, mean_len, rate, mean):
    documents = Documents.of(random_rows(5, 60, VOCABULARY, seed, mean_len), EOS)
    row_tokens, row_spans = count_noise(documents.row_lens, rate, mean)
    tokens, spans = share_out(documents, row_tokens, row_spans, 0)
    assert (sums(tokens, documents.per_row) <= row_tokens).all()
    more = sums(spans, documents.per_row) > row_spans
    assert (sums((spans > 1).astype(np.int64), documents.per_row)[more] <= row_spans[more]).all()
    assert ((tokens >= spans) & ((tokens > 0) == (spans > 0)) & (tokens + spans <= documents.lengths)).all()
    hidden = lay(documents, documents.lengths, spans, split_evenly(documents, tokens, spans, 1), 2)
    assert sums(hidden.astype(np.int64), documents.lengths).tolist() == tokens.tolist()
    assert not hidden[documents.starts].any()
    begins = hidden.copy()
    begins[1:] &= ~hidden[:-1]
    assert sums(begins.astype(np.int64), documents.lengths).tolist() == spans.tolist()


def test_a_document_alone_gets_all_of_its_row():
    documents = documents_of([[60], [7, 53], [30, 30]])
    tokens, spans = share_out(documents, *count_noise(documents.row_lens, 0.15, 3.0), 0)
    assert (tokens[0], spans[0]) == slow_count(60, 0.15, 3.0)
    assert sums(tokens, documents.per_row).tolist() == [9, 9, 9]
    assert sums(spans, documents.per_row).tolist() == [3, 3, 3]


def test_what_a_short_document_has_no_room_for_goes_to_others():
    documents = documents_of([[10, 10, 30], [9, 2, 1]])
    tokens, spans = share_out(documents, np.array([25, 5]), np.array([1, 1]), 0)
    assert sums(tokens, documents.per_row).tolist() == [25, 5]
    assert set(spans.tolist()) == {0, 1}
    assert (tokens < documents.lengths).all()


def test_spans_are_shared_out_by_length():
    lengths = [6, 21, 33]
    documents = documents_of([lengths] * TRIALS)
    _, spans = share_out(documents, np.full(TRIALS, 9), np.full(TRIALS, 3), 0)
    share = spans.reshape(TRIALS, 3).mean(axis=0)
    expected = 3 * (np.array(lengths) - 1) / (60 - 3)
    part = expected % 1  # a part is rounded up with this probability
    assert (np.abs(share - expected) <= 4 * np.sqrt(part * (1 - part) / TRIALS)).all()


def test_each_document_hides_its_share():
    lengths = [6, 21, 33]
    documents = documents_of([lengths] * TRIALS)
    budgets = share_of_each(documents, documents.lengths, 0.15, 0).reshape(TRIALS, 3)
    expected = 0.15 * (np.array(lengths) - 1)
    part = expected % 1
    assert (np.abs(budgets.mean(axis=0) - expected) <= 4 * np.sqrt(part * (1 - part) / TRIALS) + 1e-9).all()
    assert (np.abs(budgets - expected) < 1).all()


@given(budgets=st.lists(st.integers(0, 9), min_size=1, max_size=6), seed=st.integers(0, 100))
def test_budgets_are_spent(budgets, seed):
    drawn = geometric(0.2, 10).draw(some_bits(sum(budgets), seed))
    lens, spans = fill_budgets(np.array(budgets), drawn)
    expected, at = [], 0
    for budget in budgets:
        taken = []
        while sum(taken) < budget:
            taken.append(min(int(drawn[at + len(taken)]), budget - sum(taken)))
        expected.append(taken)
        at += budget
    assert lens.tolist() == [length for taken in expected for length in taken]
    assert spans.tolist() == [len(taken) for taken in expected]


def test_lengths_have_their_distributions():
    draws = 200_000
    bits = some_bits(draws)
    zero = math.exp(-3)
    poisson_mean = 3 / (1 - zero)
    for lengths, mean, variance in (
        (geometric(0.2, 10), 3.797, 7.2),  # SpanBERT, section 3.1: 3.8
        (poisson(3.0), poisson_mean, poisson_mean * (4 - poisson_mean)),
        (poisson_zeros(3.0), zero / (1 - zero), zero / (1 - zero) ** 2),
    ):
        drawn = lengths.draw(bits)
        assert abs(drawn.mean() - mean) < 4 * math.sqrt(variance / draws) + 5e-4
    assert geometric(0.2, 10).draw(bits).min() == poisson(3.0).draw(bits).min() == 1
    assert geometric(0.2, 10).draw(bits).max() == 10
    shares = np.bincount(poisson(3.0).draw(bits))[1:6] / draws
    exact = [zero * 3**n / math.factorial(n) / (1 - zero) for n in range(1, 6)]
    assert np.abs(shares - exact).max() < 4 * 0.5 / math.sqrt(draws)
