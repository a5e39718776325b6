"""Runs of words (shingles) of a batch of texts as 64-bit hashes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from groundup.curate.dedup.words import Hashes, Offsets, Words, mix, read_words

SHINGLE_WORDS = 5
_FACTOR = np.uint64(0xC2B2AE3D27D4EB4F)
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Shingles:
    """The shingles of some texts, one text after the other."""

    hashes: Hashes
    offsets: Offsets
    """Those of text i are `hashes[offsets[i]:offsets[i + 1]]`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, number: int) -> Hashes:
        """Return the shingles of one text."""
        return self.hashes[self.offsets[number] : self.offsets[number + 1]]


def shingles(text: str) -> Hashes:
    """Return the hashes of all runs of 5 words of `text`, sorted, each once."""
    return shingle_sets([text]).hashes


def shingle_sets(texts: Sequence[str]) -> Shingles:
    """Return for each text the hashes of all its runs of 5 words, sorted, each once; case and white space do not count.

    A text of fewer words is one shingle. Among 10^6 shingles two different ones share a hash with probability below 10^-7.
    """
    return as_sets(word_runs(read_words(texts)))


def word_runs(words: Words, width: int = SHINGLE_WORDS) -> Shingles:
    """Return the hash of each run of `width` words, in the order of the text, with repeats; a text of fewer words is one run."""
    lengths = np.diff(words.offsets)
    counts = np.maximum(lengths - width + 1, 1)
    offsets = np.concatenate([np.zeros(1, np.int64), counts.cumsum()])
    hashes = np.empty(offsets[-1], np.uint64)
    is_run = np.ones(len(hashes), bool)
    for length in np.unique(lengths[lengths < width]).tolist():
        texts = np.flatnonzero(lengths == length)
        of_texts = words.hashes[words.offsets[texts, None] + np.arange(length)]
        hashes[offsets[texts]] = mix(_folded([of_texts[:, at] for at in range(length)], len(texts)))
        is_run[offsets[texts]] = False
    runs = _all_runs(words.hashes, width)
    within = np.ones(len(runs), bool)
    across = words.offsets[1:, None] - np.arange(1, width)
    within[across[(across >= 0) & (across < len(runs))]] = False
    hashes[is_run] = runs[within]
    return Shingles(hashes, offsets)


def _all_runs(words: Hashes, width: int) -> Hashes:
    """Return the hashes of all runs, also of those that reach from one text into the next."""
    runs = np.empty(max(len(words) - width + 1, 0), np.uint64)
    for start in range(0, len(runs), _BLOCK):
        block = runs[start : start + _BLOCK]
        block[:] = mix(_folded([words[start + at : start + at + len(block)] for at in range(width)], len(block)))
    return runs


def _folded(columns: list[Hashes], length: int) -> Hashes:
    """Return sum_j w_j f^(n - j) + n f^n modulo 2^64 of n columns of words w_1 ... w_n."""
    folded = np.full(length, len(columns), np.uint64)
    for column in columns:
        folded *= _FACTOR
        folded += column
    return folded


def as_sets(runs: Shingles) -> Shingles:
    """Return the shingles of each text sorted, each once."""
    hashes = runs.hashes.copy()
    for start, end in pairwise(runs.offsets.tolist()):
        hashes[start:end].sort()
    first = np.ones(len(hashes), bool)
    first[1:] = hashes[1:] != hashes[:-1]
    first[runs.offsets[:-1][np.diff(runs.offsets) > 0]] = True
    kept = np.concatenate([np.zeros(1, np.int64), first.cumsum()])
    return Shingles(hashes[first], kept[runs.offsets])
