"""Hidden spans in T5's format: a sentinel in the place of each, and a target that spells them out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from groundup.train.objectives.documents import Documents
from groundup.train.objectives.ragged import group_starts, places, sums
from groundup.train.randomness import Ints


@dataclass(frozen=True)
class Pairs:
    """A source and a target for each of some documents, laid end to end."""

    source: Int64[np.ndarray, " source"]
    source_lens: Int64[np.ndarray, " documents"]
    target: Int64[np.ndarray, " target"]
    target_lens: Int64[np.ndarray, " documents"]
    """0: nothing is to be predicted."""


def pair_lens(
    lengths: Int64[np.ndarray, "*shape"], tokens: Int64[np.ndarray, "*shape"], spans: Int64[np.ndarray, "*shape"]
) -> tuple[Int64[np.ndarray, "*shape"], Int64[np.ndarray, "*shape"]]:
    """Return the lengths of source and target if so many tokens are hidden in so many spans."""
    return lengths - tokens + spans, tokens + spans + (spans > 0)


def hide(documents: Documents, hidden: Bool[np.ndarray, " tokens"], sentinels: Int64[np.ndarray, " sentinels"]) -> Pairs:
    """Put a sentinel in the place of each run of hidden tokens; the target is each sentinel with its run, and one sentinel more.

    Raffel et al. 2020, figure 2: 'Thank you <X> me to your party <Y> week .' and '<X> for inviting <Y> last <Z>'. The first
    sentinel stands for a document's first run. A document without hidden tokens has no target.
    """
    begins = hidden.copy()
    begins[1:] &= ~hidden[:-1]
    begins[documents.starts] = hidden[documents.starts]
    spans, tokens = sums(begins.astype(np.int64), documents.lengths), sums(hidden.astype(np.int64), documents.lengths)
    source_lens, target_lens = pair_lens(documents.lengths, tokens, spans)
    number = places(spans)
    source = documents.tokens.copy()
    source[begins] = sentinels[number]
    target = np.empty(int(target_lens.sum()), dtype=np.int64)
    is_sentinel = np.zeros(len(target), dtype=np.bool_)
    firsts = np.flatnonzero(begins[hidden])  # of the hidden tokens, those that begin a span
    finals_before: Ints = np.repeat(np.cumsum(spans > 0) - (spans > 0), spans)
    at = firsts + np.arange(len(firsts)) + finals_before
    last = (group_starts(target_lens) + target_lens - 1)[spans > 0]
    is_sentinel[at] = is_sentinel[last] = True
    target[~is_sentinel] = documents.tokens[hidden]
    target[at] = sentinels[number]
    target[last] = sentinels[spans[spans > 0]]
    return Pairs(source[begins | ~hidden], source_lens, target, target_lens)


def reveal(source: Sequence[int], target: Sequence[int], sentinels: Sequence[int]) -> list[int]:
    """Return the document that `hide` made the source and target of."""
    named = set(sentinels)
    spans: dict[int, list[int]] = {}
    current: list[int] = []
    for token in target:
        if token in named:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    return [token for place in source for token in (spans[place] if place in named else (place,))]
