"""How often each n-gram of a stream of tokens occurs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.perplexity.pieces import START, Tokens
from groundup.curate.perplexity.table import MISSING, Table, keys_of

_CHUNK = 1 << 20
"""N-grams that are looked up at once."""


@dataclass(frozen=True)
class Counted:
    """All n-grams of one length. No n-gram holds `START` but as its first word, and none of two words or more ends in it."""

    counts: npt.NDArray[np.int64]
    prefixes: npt.NDArray[np.int32]
    """Place of the first n - 1 words of each among the n-grams of that length; for n = 2 their number."""
    suffixes: npt.NDArray[np.int32]
    """The same of the last n - 1 words."""
    tokens: Tokens
    """The last word of each."""


def counted(stream: Tokens, order: int, num_tokens: int) -> Iterator[Counted]:
    """Yield the n-grams of 2, 3, ... `order` words of a stream that starts with `START`."""
    is_word = stream != START
    here = stream
    for _ in range(2, order + 1):
        ends = (np.flatnonzero(is_word[1:] & (here[:-1] != MISSING)) + 1).astype(np.int32)
        keys = keys_of(here[ends - 1], stream[ends], num_tokens)
        unique, counts = np.unique(keys, return_counts=True)
        table = Table.of(unique)
        found = Counted(counts, *(np.empty(len(table), np.int32) for _ in range(3)))
        longer = np.full(len(stream), MISSING, np.int32)
        for start in range(0, len(ends), _CHUNK):
            chunk = ends[start : start + _CHUNK]
            places = table.find(keys[start : start + _CHUNK])
            found.prefixes[places], found.suffixes[places], found.tokens[places] = here[chunk - 1], here[chunk], stream[chunk]
            longer[chunk] = places
        here = longer
        yield found
