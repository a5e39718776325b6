"""Probabilities of n-grams by interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998, section 3).

With a(g) the count of an n-gram g of the longest kind, and of a shorter one how many different words it follows (its count if it
begins a text: Heafield et al. 2013, section 3), h' the context h without its first word, and V how many tokens there are:

    p(w | h) = max(a(h w) - D(a(h w)), 0) / sum_v a(h v) + gamma(h) p(w | h'),   p(w | nothing) ends in 1 / V
    Y = n1 / (n1 + 2 n2),   D(i) = i - (i + 1) Y n_{i+1} / n_i   for i = 1, 2, and 3 for all above

where n_i is how many n-grams of the length have a = i, and gamma(h) what makes the probabilities sum to one. N-grams of three words
and more that occur rarely may be left out: their share goes to gamma.
"""

import numpy as np
import numpy.typing as npt

from groundup.curate.perplexity.ngrams import NgramModel, Ngrams
from groundup.curate.perplexity.pieces import START, Tokens
from groundup.curate.perplexity.table import MISSING, Table, keys_of
from groundup.curate.perplexity.training.counts import Counted, counted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Discounts = tuple[float, float, float]
FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""Discounts where there are too few n-grams to estimate them from (those of KenLM's option --discount_fallback)."""
_PRUNED_FROM = 3
"""Length from which rare n-grams are left out."""


def discounts(adjusted: Ints) -> Discounts:
    """Return D(1), D(2) and D(3) of n-grams with these counts."""
    n1, n2, n3, n4 = (int(np.count_nonzero(adjusted == count)) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 < value <= count for count, value in enumerate(found, start=1)) else FALLBACK


def estimate(stream: Tokens, order: int, num_tokens: int, min_count: int) -> tuple[NgramModel, list[Discounts]]:
    """Return the model of a stream in which `START` stands before each text, and the discounts of each length.

    N-grams of three and more that occur less often than `min_count` are left out.
    """
    levels = counted(stream, order, num_tokens)
    level = next(levels)
    discount, probs = _of_words(_continuations(level, num_tokens))
    places, table = np.arange(num_tokens), Table.of(np.zeros(0, np.uint64))
    found, used = [], [discount]
    for length in range(2, order + 1):
        above = next(levels, None)
        adjusted = level.counts if above is None else _adjusted(level, above)
        discount = discounts(adjusted)
        sums = np.bincount(level.prefixes, adjusted, len(places))
        shares = _discounted(adjusted, discount) / sums[level.prefixes]
        kept = np.flatnonzero(level.counts >= (min_count if length >= _PRUNED_FROM else 1))
        backoffs = _left_over(level.prefixes[kept], shares[kept], places, len(probs))
        found.append(Ngrams.of(table, probs, backoffs))
        used.append(discount)
        prefixes = places[level.prefixes[kept]]
        probs = shares[kept] + backoffs[prefixes] * probs[places[level.suffixes[kept]]]
        keys = keys_of(prefixes, level.tokens[kept], num_tokens)
        ascending = np.argsort(keys)
        table, probs = Table.of(keys[ascending]), probs[ascending]
        places = np.full(len(level.counts), MISSING)
        places[kept[ascending]] = np.arange(len(kept))
        if above is not None:
            level = above
    found.append(Ngrams.of(table, probs, np.ones(len(probs))))
    return NgramModel(tuple(found)), used


def _of_words(adjusted: Ints) -> tuple[Discounts, Floats]:
    """Return the discounts and probabilities of single words; none is `START`, and what is left over is for all alike."""
    adjusted = np.where(np.arange(len(adjusted)) == START, 0, adjusted)
    discount = discounts(adjusted)
    probs = _discounted(adjusted, discount) / max(int(adjusted.sum()), 1)
    probs += (1 - probs.sum()) / (len(probs) - 1)
    probs[START] = 1  # of what is never asked
    return discount, probs


def _discounted(adjusted: Ints, discount: Discounts) -> Floats:
    """Return a(g) - D(a(g)), 0 where there is no count."""
    left: Floats = adjusted - np.array((0.0, *discount))[np.minimum(adjusted, 3)]
    return left


def _left_over(prefixes: npt.NDArray[np.int32], shares: Floats, places: Ints, num_kept: int) -> Floats:
    """Return gamma of each n-gram that is kept, given the shares of the words that follow them."""
    left = 1 - np.bincount(prefixes, shares, len(places))
    kept = places != MISSING
    backoffs = np.ones(num_kept)
    backoffs[places[kept]] = left[kept]
    return backoffs


def _continuations(level: Counted, num_shorter: int) -> Ints:
    """Return how many different words stand before each n-gram that is one word shorter."""
    return np.bincount(level.suffixes, minlength=num_shorter)


def _adjusted(level: Counted, above: Counted) -> Ints:
    """Return how many words each n-gram follows; of one that begins a text, how often it occurs."""
    continuations = _continuations(above, len(level.counts))
    return np.where(continuations > 0, continuations, level.counts)
