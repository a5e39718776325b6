"""Unigram and bigram models over the same tokens, counted on the training split alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.artifacts.token_shards import TokenShards

_CHUNK = 1 << 22

Tokens = npt.NDArray[np.int64]
Probs = npt.NDArray[np.float64]


def training_chunks(shards: TokenShards) -> Iterator[Tokens]:
    """Yield the training tokens in pieces, each led by the token before it: end-of-document at the start of a source."""
    for source in shards.info.sources:
        stream = shards.tokens("train", source.name)
        before = shards.info.eos_id
        for start in range(0, len(stream), _CHUNK):
            chunk = np.concatenate([[before], stream[start : start + _CHUNK]]).astype(np.int64)
            yield chunk
            before = int(chunk[-1])


@dataclass(frozen=True)
class Unigram:
    """p(w) = (c(w) + 1) / (n + V): add-one smoothing."""

    probs: Probs

    @classmethod
    def fit(cls, shards: TokenShards) -> "Unigram":
        counts = np.ones(shards.info.vocab_size)
        for chunk in training_chunks(shards):
            counts += np.bincount(chunk[1:], minlength=len(counts))
        return cls(counts / counts.sum())

    def prob(self, tokens: Tokens) -> Probs:
        return self.probs[tokens]


@dataclass(frozen=True)
class Bigram:
    """Interpolated Kneser-Ney (Kneser & Ney 1995, interpolated as in Chen & Goodman 1999).

    p(w|h) = max(c(hw) - D, 0) / c(h) + D T(h) / c(h) p(w), with T(h) the number of kinds of w seen after h. The lower model is
    p(w) = (kinds of h seen before w + 1) / (kinds of pairs + V), and D = n1 / (n1 + 2 n2) from the kinds of pairs seen once and
    twice. A context that was never seen gives p(w). Nothing is tuned on held-out text.
    """

    pairs: Tokens
    """h V + w of every pair seen, ascending."""
    counts: Tokens
    context_counts: Probs
    context_kinds: Probs
    lower: Probs
    discount: float

    @classmethod
    def fit(cls, shards: TokenShards) -> "Bigram":
        return cls.of(training_chunks(shards), shards.info.vocab_size)

    @classmethod
    def of(cls, chunks: Iterable[Tokens], num: int) -> "Bigram":
        """Count tokens below `num` in pieces, each led by the token before it."""
        pairs = counts = np.empty(0, np.int64)
        for chunk in chunks:
            kinds, times = np.unique(chunk[:-1] * num + chunk[1:], return_counts=True)
            pairs, place = np.unique(np.concatenate([pairs, kinds]), return_inverse=True)
            counts = np.bincount(place, np.concatenate([counts, times]), len(pairs)).astype(np.int64)
        once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
        before = np.bincount(pairs % num, minlength=num) + 1.0
        return cls(
            pairs=pairs,
            counts=counts,
            context_counts=np.bincount(pairs // num, counts, num).astype(np.float64),
            context_kinds=np.bincount(pairs // num, minlength=num).astype(np.float64),
            lower=before / before.sum(),
            discount=once / (once + 2 * twice) if once else 0.5,
        )

    def prob(self, contexts: Tokens, tokens: Tokens) -> Probs:
        """Return p(token | context), element by element."""
        wanted = contexts * len(self.lower) + tokens
        place = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        seen = np.where(self.pairs[place] == wanted, self.counts[place], 0)
        kept = np.maximum(seen - self.discount, 0) + self.discount * self.context_kinds[contexts] * self.lower[tokens]
        total = self.context_counts[contexts]
        return np.where(total > 0, kept / np.maximum(total, 1), self.lower[tokens])
