"""What a linear classifier sees of texts: runs of words and of characters, hashed into buckets, passage by passage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.dedup.words import Hashes, Offsets, Words, mix, read_letters, read_words

Buckets = npt.NDArray[np.uint32]
_BLOCK_WORDS = 1 << 15
"""Words whose features are found at once, or those of one passage: what is made of them stays in the processor's cache."""
_FACTOR = np.uint64(0x9FB21C651E98DF25)
_OF_CHARACTERS = np.uint64(0xD6E8FEB86659FD93)
"""Sets runs of characters apart from runs of words."""
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Passages:
    """Some passages in a row, with the buckets that their features fall into."""

    texts: Offsets
    """The text that each passage is of."""
    buckets: Buckets
    """Of each passage every bucket once, ascending."""
    offsets: Offsets
    """The buckets of passage i are `buckets[offsets[i]:offsets[i + 1]]`."""

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Runs:
    """Runs of words, or of characters, of one length: where each begins, its owner and its bucket."""

    of_words: bool
    length: int
    places: Offsets
    owners: Hashes
    buckets: Hashes


@dataclass(frozen=True)
class Letters:
    """The characters of the words of some texts, a space after each word."""

    codes: npt.NDArray[np.uint32]
    word_ends: Offsets
    """Places of these spaces."""


def passages_of(texts: Sequence[str], config: FeaturesConfig, words: Words | None = None) -> Iterator[Passages]:
    """Yield the features of the passages of the texts, some at a time, in their order.

    A text of n words is cut into k = max(1, ceil(n / passage_words)) passages; passage i begins at word floor(i n / k). Words are
    case folded, and everything but letters, marks and numbers counts as white space. Give the `words`, without punctuation, if
    they are known.
    """
    words = words or read_words(texts, punctuation=False)
    letters = Letters(*read_letters(texts)) if config.char_ngrams else None
    bounds, owners = cut(words.offsets, config.passage_words)
    for first, last in _blocks(bounds):
        found = list(runs_of(words.hashes, letters, bounds[first : last + 1], config))
        keys = np.concatenate([(run.owners << _HALF) | run.buckets for run in found])
        keys.sort()
        is_new = np.ones(len(keys), np.bool_)
        is_new[1:] = keys[1:] != keys[:-1]
        keys = keys[is_new]
        offsets = np.searchsorted(keys, np.arange(last - first + 1, dtype=np.uint64) << _HALF)
        yield Passages(owners[first:last], (keys & _LOW_HALF).astype(np.uint32), offsets)


def cut(offsets: Offsets, passage_words: int) -> tuple[Offsets, Offsets]:
    """Return the places where passages begin, the end last, and the text of each, for texts that begin at word `offsets[i]`."""
    lengths = np.diff(offsets)
    counts = np.maximum(-(-lengths // passage_words), 1)
    texts = np.repeat(np.arange(len(lengths)), counts)
    within = np.arange(len(texts)) - np.repeat(counts.cumsum() - counts, counts)
    return np.append(offsets[texts] + within * lengths[texts] // counts[texts], offsets[-1]), texts


def _blocks(bounds: Offsets) -> Iterator[tuple[int, int]]:
    """Yield ranges of passages that have at most `_BLOCK_WORDS` words together, or one passage."""
    first, end = 0, len(bounds) - 1
    while first < end:
        last = int(np.searchsorted(bounds, bounds[first] + _BLOCK_WORDS, side="right")) - 1
        last = min(max(last, first + 1), end)
        yield first, last
        first = last


def runs_of(words: Hashes, letters: Letters | None, bounds: Offsets, config: FeaturesConfig) -> Iterator[Runs]:
    """Yield the runs of each kind and length that lie within the passages between the bounds; places count from the first one.

    A run of words with hashes w_1 ... w_n has the hash h_n = mix(h_(n-1) f + w_n), h_1 = w_1, and one of characters
    c_1 ... c_n the hash mix(h_n xor s), h_n = h_(n-1) f + c_n, h_1 = c_1. The highest bits of a hash are its bucket.
    """
    shift = np.uint64(64 - config.bucket_bits)
    hashes = words[bounds[0] : bounds[-1]]
    owners = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(bounds))
    found = hashes
    for length in range(1, config.word_ngrams + 1):
        if length > 1:
            found = mix(found[:-1] * _FACTOR + hashes[length - 1 :]) if len(found) else found
        yield _within(True, length, owners, found >> shift)
    if letters is None or config.char_ngrams is None:
        return
    ends = np.append(-1, letters.word_ends)[bounds] + 1
    codes = letters.codes[ends[0] : ends[-1]].astype(np.uint64)
    owners = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(ends))
    found = codes
    for length in range(1, config.char_ngrams[1] + 1):
        if length > 1:
            found = found[:-1] * _FACTOR + codes[length - 1 :] if len(found) else found
        if length >= config.char_ngrams[0]:
            yield _within(False, length, owners, mix(found ^ _OF_CHARACTERS) >> shift)


def _within(of_words: bool, length: int, owners: Hashes, buckets: Hashes) -> Runs:
    """Return the runs that do not reach from one passage into the next."""
    places = np.flatnonzero(owners[: len(buckets)] == owners[length - 1 :]) if len(buckets) else np.zeros(0, np.int64)
    return Runs(of_words, length, places, owners[places], buckets[places])
