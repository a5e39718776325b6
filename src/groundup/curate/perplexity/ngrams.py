"""An n-gram model: the probability of each token of a stream after those before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.curate.perplexity.pieces import START, Tokens
from groundup.curate.perplexity.table import MISSING, Table, keys_of

Floats = npt.NDArray[np.float64]
Logs = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ngrams:
    """N-grams of one length; single words stand in no table, their place is their number."""

    table: Table
    log_probs: Logs
    """Of the last word after the others."""
    backoffs: Logs
    """Logarithm of what is left, after these words, for those that were never seen there."""

    @classmethod
    def of(cls, table: Table, probs: Floats, backoffs: Floats) -> "Ngrams":
        return cls(table, np.log(probs).astype(np.float32), np.log(backoffs).astype(np.float32))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that it consists of."""
        return {"keys": self.table.keys, "starts": self.table.starts, "log_probs": self.log_probs, "backoffs": self.backoffs}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Ngrams":
        """Return the n-grams that `arrays` gave."""
        return cls(Table(arrays["keys"], arrays["starts"]), arrays["log_probs"], arrays["backoffs"])


@dataclass(frozen=True)
class NgramModel:
    """N-grams of one word, of two, and so on."""

    ngrams: tuple[Ngrams, ...]

    @property
    def order(self) -> int:
        return len(self.ngrams)

    @property
    def num_tokens(self) -> int:
        """All that may follow, and `START`."""
        return len(self.ngrams[0].log_probs)

    def log_probs(self, stream: Tokens) -> Floats:
        """Return ln p(token | those before it in its text) of each token; 0 of `START`, which stands before each text.

        An n-gram that was seen has its own probability; one that was not, that of its last words, times what its first ones leave.
        """
        is_word = stream != START
        found = self.ngrams[0].log_probs[stream].astype(np.float64)
        before = stream.astype(np.int64)  # the place of the n-gram that ends here
        for shorter, ngrams in zip(self.ngrams, self.ngrams[1:], strict=False):
            ends = np.flatnonzero(is_word[1:] & (before[:-1] != MISSING)) + 1
            contexts = before[ends - 1]
            places = ngrams.table.find(keys_of(contexts, stream[ends], self.num_tokens))
            is_seen = places != MISSING
            found[ends] += shorter.backoffs[contexts]
            found[ends[is_seen]] = ngrams.log_probs[places[is_seen]]
            before = np.full(len(stream), MISSING)
            before[ends] = places
        found[~is_word] = 0
        return found

    def perplexities(self, stream: Tokens) -> list[float]:
        """Return exp(-mean of ln p(token)) of each text; of one without tokens the number of pieces, as if nothing was known."""
        text = np.cumsum(stream == START) - 1
        sums, counts = np.bincount(text, self.log_probs(stream)), np.bincount(text) - 1
        return [
            math.exp(-total / number) if number else float(self.num_tokens - 1)
            for total, number in zip(sums.tolist(), counts.tolist(), strict=True)
        ]
