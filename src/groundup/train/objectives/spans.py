"""How many tokens are hidden, in which spans, and where: drawn for all documents at once."""

import math

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from groundup.train.objectives.documents import Documents
from groundup.train.objectives.ragged import group_starts, places, running_sums, sums
from groundup.train.randomness import Floats, Ints, uniforms

_GROUP_BITS, _RANDOM_BITS, _PLACE_BITS = 20, 24, 20
"""A key holds (group, random bits, place within the group), from the highest bit down."""
TOKENS_PER_SPAN = 64
"""A row has room for one span, with its sentinels, in so many tokens, however few its denoiser asks for."""


def count_noise(
    length: Int64[np.ndarray, "*shape"], rate: float | Floats, mean_span_len: float | Floats
) -> tuple[Int64[np.ndarray, "*shape"], Int64[np.ndarray, "*shape"]]:
    """Return how many of `length` tokens are hidden, in how many spans.

    tokens = round(length rate), at least 1 and at most length - 1; spans = round(tokens / mean length), at least 1: the
    arithmetic of the code released with Raffel et al. 2020, halves rounded to even. Each span has a kept token before it, so there
    are no more spans than tokens of either kind.
    """
    tokens = np.minimum(np.maximum(np.rint(length * rate), 1), np.maximum(length - 1, 0))
    spans = np.minimum(np.maximum(np.rint(tokens / mean_span_len), 1), np.minimum(tokens, length - tokens))
    return tokens.astype(np.int64), spans.astype(np.int64)


def share_out(
    documents: Documents, tokens: Int64[np.ndarray, " rows"], spans: Int64[np.ndarray, " rows"], stream: int
) -> tuple[Int64[np.ndarray, " documents"], Int64[np.ndarray, " documents"]]:
    """Return each document's part of the hidden tokens and spans of its row.

    Spans go by length, tokens go with spans. Tokens that do not fit into short documents go to the first ones with room: those with
    spans, then, as a span more each, those without. So the parts add up to the row's tokens but where all documents are very short.
    """
    parts, ends = _systematic(documents.lengths - 1, documents.per_row, spans, documents.row_uniforms(stream))
    row_tokens, row_spans = tokens[documents.rows], np.maximum(spans[documents.rows], 1)
    token_parts = row_tokens * ends // row_spans - row_tokens * (ends - parts) // row_spans
    parts = np.minimum(parts, documents.lengths // 2)
    token_parts = np.minimum(token_parts, documents.lengths - parts) * (parts > 0)
    token_parts += _pour(documents, tokens, token_parts, (documents.lengths - parts - token_parts) * (parts > 0))
    poured = _pour(documents, tokens, token_parts, (documents.lengths - 1) * ((parts == 0) & (documents.lengths > 2)))
    return token_parts + poured, parts + (poured > 0)


def most_spans(length: Int64[np.ndarray, "*shape"], spans: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Return how many spans a row that has `spans` has room for: one in TOKENS_PER_SPAN tokens, for rows of several documents."""
    return np.maximum(spans, 1 + length // TOKENS_PER_SPAN)  # type: ignore[no-any-return]


def _pour(documents: Documents, wanted: Ints, had: Ints, room: Ints) -> Ints:
    """Return what each document takes of what its row has too little, the first with room first."""
    missing = (wanted - sums(had, documents.per_row))[documents.rows]
    return np.clip(missing - (running_sums(room, documents.per_row) - room), 0, room)  # type: ignore[no-any-return]


def share_of_each(
    documents: Documents, lengths: Int64[np.ndarray, " documents"], rate: float, stream: int
) -> Int64[np.ndarray, " documents"]:
    """Return how many units each document hides: rate x (its length in units - 1), rounded up or down at random; at most half."""
    offsets = uniforms(documents.bits_at(stream, documents.starts))
    return np.minimum(np.floor(rate * (lengths - 1) + offsets).astype(np.int64), lengths // 2)  # type: ignore[no-any-return]


def _systematic(sizes: Ints, per_row: Ints, totals: Ints, offsets: Floats) -> tuple[Ints, Ints]:
    """Return each group's part of its row's total, by size, and the sum of the parts up to it.

    Systematic sampling: the exact shares laid end to end, from a random offset; the integers that a share covers are its part.
    """
    ends, row = running_sums(sizes, per_row), np.repeat(np.arange(len(per_row)), per_row)
    total, whole, offset = totals[row], np.maximum(sums(sizes, per_row), 1)[row], offsets[row]
    covered = np.floor(total * ends / whole + offset).astype(np.int64)
    return covered - np.floor(total * (ends - sizes) / whole + offset).astype(np.int64), covered


def choose(
    sizes: Int64[np.ndarray, " groups"], counts: Int64[np.ndarray, " groups"], bits: UInt64[np.ndarray, " items"]
) -> Bool[np.ndarray, " items"]:
    """Choose `counts` items of each group, every subset being equally likely: those whose random bits are lowest."""
    assert len(sizes) <= 1 << _GROUP_BITS, "a micro-batch has fewer documents"
    assert sizes.max(initial=0) <= 1 << _PLACE_BITS, "the longest sequence of any model"
    place = places(sizes).astype(np.uint64)
    group = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    keys = bits >> np.uint64(64 - _RANDOM_BITS)
    keys <<= np.uint64(_PLACE_BITS)
    keys |= group << np.uint64(64 - _GROUP_BITS)
    keys |= place
    keys.sort()
    lowest = keys[place < np.repeat(counts.astype(np.uint64), sizes)]
    chosen = np.zeros(len(bits), dtype=np.bool_)
    chosen[np.repeat(group_starts(sizes), counts) + (lowest & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int64)] = True
    return chosen


def split_evenly(
    documents: Documents, tokens: Int64[np.ndarray, " documents"], spans: Int64[np.ndarray, " documents"], stream: int
) -> Int64[np.ndarray, " spans"]:
    """Return the lengths of the spans of each document, every split of its hidden tokens being equally likely."""
    items = documents.first_items(tokens)
    bits = documents.bits_at(stream, items)
    bits[group_starts(tokens)[tokens > 0]] = 0  # the first token always begins a span
    begins = np.flatnonzero(choose(tokens, spans, bits))
    return np.diff(begins, append=len(items))


def fill_budgets(
    budgets: Int64[np.ndarray, " documents"], drawn: Int64[np.ndarray, " tokens"]
) -> tuple[Int64[np.ndarray, " spans"], Int64[np.ndarray, " documents"]]:
    """Take drawn lengths, of which there is one for each token of the budget, until it is spent; the last is cut to fit.

    Returns the lengths and the number of spans of each document.
    """
    before = running_sums(drawn, budgets) - drawn
    left = np.repeat(budgets, budgets) - before
    used = left > 0
    return np.minimum(drawn, left)[used], sums(used.astype(np.int64), budgets)


def lay(
    documents: Documents,
    lengths: Int64[np.ndarray, " documents"],
    spans: Int64[np.ndarray, " documents"],
    span_lens: Int64[np.ndarray, " spans"],
    stream: int,
) -> Bool[np.ndarray, " units"]:
    """Return which units are hidden, every arrangement being equally likely that has a kept unit before each span.

    Documents have `lengths` units each, at most one for each token.
    """
    kept = lengths - sums(span_lens, spans)
    before = choose(kept, spans, documents.bits(stream)[documents.first_items(kept)])
    starts = np.flatnonzero(before) + 1 + group_starts(span_lens)
    edges = np.zeros(int(lengths.sum()) + 1, dtype=np.int8)
    edges[starts] = 1
    edges[starts + span_lens] = -1
    return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)


class Lengths:
    """A distribution of whole numbers, drawn from by inverting its cumulative sums."""

    def __init__(self, weights: list[float], first: int) -> None:
        self._edges = np.cumsum(np.array(weights, dtype=np.float64) / math.fsum(weights))[:-1]
        self._first = first

    def draw(self, bits: UInt64[np.ndarray, " draws"]) -> Int64[np.ndarray, " draws"]:
        """Return a number for each draw."""
        return self._first + np.searchsorted(self._edges, uniforms(bits), side="right")


def geometric(stop: float, longest: int) -> Lengths:
    """Return P(n) ~ (1 - stop)^(n - 1) for n = 1 .. longest (SpanBERT: Joshi et al. 2020, section 3.1)."""
    return Lengths([(1 - stop) ** number for number in range(longest)], 1)


_POISSON_TERMS = 256
"""Beyond, the terms of means up to 100 are below float64's resolution."""


def poisson(mean: float) -> Lengths:
    """Return Poisson's distribution given that the number is not 0."""
    terms = range(1, _POISSON_TERMS)
    return Lengths([math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in terms], 1)


def poisson_zeros(mean: float) -> Lengths:
    """Return how many zeros come before the first number that is not 0, in draws of Poisson's distribution."""
    zero = math.exp(-mean)
    return Lengths([zero**number for number in range(_POISSON_TERMS)], 0)
