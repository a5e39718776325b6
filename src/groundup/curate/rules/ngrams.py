"""How much of a text lies in n-grams of words that repeat, for a batch of texts at once.

An n-gram can only repeat if both of the (n-1)-grams in it do, so each length looks at what the one before left, which in prose
is little after the first. Words and 2-grams are compared by hashes of more than 50 bits, longer n-grams by the 2-grams in them:
in a text of 10,000 words the chance that two different ones are taken for the same is below 10^-7.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.curate.rules.characters import Hashes, Ints

Floats = npt.NDArray[np.float64]

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MAX_TABLE_BITS = 22
_SPARE_BITS = 3
"""Slots of the table: 8 to 16 times the n-grams, so that few different ones share a slot."""


@dataclass(frozen=True)
class Repetition:
    """Parts of the words' characters of each text; 0 where nothing of this length repeats."""

    top: dict[int, Floats]
    """n -> in all occurrences of the most frequent n-gram (of several the longest, then the first)."""
    duplicate: dict[int, Floats]
    """n -> in n-grams that occurred before."""


@dataclass(frozen=True)
class _Repeated:
    """The n-grams of one n that occur more than once in their text, those of one text after those of another."""

    places: Ints
    """Of all occurrences, by n-gram, then in the order of the text."""
    numbers: Ints
    """The n-gram of each occurrence."""
    starts: Ints
    """Where the occurrences of each n-gram begin."""


@dataclass(frozen=True)
class _Words:
    """The words of all texts."""

    lengths: Ints
    ends: Ints
    """Running sum of the lengths, 0 first."""
    texts: Ints
    """The text of each word."""
    num_chars: Ints
    """Of the words of each text."""

    def part(self, places: Ints, n: int) -> Floats:
        """Return for each text which part of its characters lies in the n words from any of the places on."""
        covered = np.zeros(len(self.lengths), np.bool_)
        for offset in range(n):
            covered[places + offset] = True
        words = np.flatnonzero(covered)
        chars = np.bincount(self.texts[words], self.lengths[words], len(self.num_chars))
        return chars / np.maximum(self.num_chars, 1)


def repetition(hashes: Hashes, lengths: Ints, first_words: Ints) -> Repetition:
    """Return the repetition within each text of a batch.

    `hashes` are the words of all texts, `lengths` their characters, `first_words` the places where texts begin, the end last.
    """
    num_texts = len(first_words) - 1
    nothing = np.zeros(num_texts)
    found = Repetition(dict.fromkeys(TOP_NGRAMS, nothing), dict.fromkeys(DUPLICATE_NGRAMS, nothing))
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    texts = np.repeat(np.arange(num_texts), np.diff(first_words))
    words = _Words(lengths, ends, texts, np.diff(ends[first_words]))
    repeated = _pairs(hashes, texts, num_texts)
    numbers = np.full(len(hashes) + 1, -1)
    for n in range(2, max(DUPLICATE_NGRAMS) + 1):
        if not len(repeated.places):
            break
        if n in found.top:
            found.top[n] = words.part(_of_most_frequent(repeated, words, n), n)
        if n in found.duplicate:
            found.duplicate[n] = words.part(np.delete(repeated.places, repeated.starts), n)
        repeated = _longer(repeated, numbers)
    return found


def twice(hashes: Hashes, texts: Ints, num_texts: int) -> Ints:
    """Return the places whose hash occurs in their text again; texts ascend."""
    keys = _keys(hashes, texts, num_texts)
    chosen = np.flatnonzero(_may_repeat(keys))
    return _groups(keys[chosen], chosen).places


def _keys(hashes: Hashes, texts: Ints, num_texts: int) -> Hashes:
    """Return numbers that ascend with the text and differ within it as its hashes do, of which they lose a few bits."""
    bits = np.uint64(num_texts.bit_length())
    return (texts.astype(np.uint64) << (np.uint64(64) - bits)) | (hashes >> bits)


def _pairs(hashes: Hashes, texts: Ints, num_texts: int) -> _Repeated:
    """Return the repeated 2-grams."""
    pairs = hashes[:-1] * _MIX
    pairs += hashes[1:]
    pairs *= _MIX
    keys = _keys(pairs, texts[:-1], num_texts)
    chosen = np.flatnonzero(_may_repeat(keys) & (texts[:-1] == texts[1:]))
    return _groups(keys[chosen], chosen)


def _may_repeat(keys: Hashes) -> npt.NDArray[np.bool_]:
    """Return where keys lie that may occur more than once: every one that does, and few others."""
    bits = min(len(keys).bit_length() + _SPARE_BITS, _MAX_TABLE_BITS)
    slots = ((keys * _MIX) >> np.uint64(64 - bits)).astype(np.int64)
    order = np.arange(len(keys), dtype=np.int32)
    owners = np.empty(1 << bits, np.int32)
    owners[slots] = order
    shared = np.zeros(1 << bits, np.bool_)
    shared[slots[owners[slots] != order]] = True
    return shared[slots]


def _groups(keys: Hashes | Ints, places: Ints) -> _Repeated:
    """Return what is at least twice among the keys; `places` ascend."""
    if not len(keys):
        return _Repeated(places, places, places)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    same = np.concatenate((np.zeros(1, np.bool_), keys[1:] == keys[:-1], np.zeros(1, np.bool_)))
    repeats = same[1:] | same[:-1]  # equal to the next or to the one before
    firsts = ~same[:-1][repeats]
    return _Repeated(places[order][repeats], np.cumsum(firsts) - 1, np.flatnonzero(firsts))


def _longer(repeated: _Repeated, numbers: Ints) -> _Repeated:
    """Return the repeated n-grams that are one word longer; `numbers` is scratch, -1 everywhere, and left so."""
    numbers[repeated.places] = repeated.numbers
    places = np.sort(repeated.places)
    places = places[numbers[places + 1] >= 0]
    keys = numbers[places] * len(repeated.starts) + numbers[places + 1]
    numbers[repeated.places] = -1
    return _groups(keys, places)


def _of_most_frequent(repeated: _Repeated, words: _Words, n: int) -> Ints:
    """Return the places of the most frequent n-gram of each text: of several the longest, then the first."""
    counts = np.diff(np.append(repeated.starts, len(repeated.places)))
    first = repeated.places[repeated.starts]
    texts = words.texts[first]
    chars = words.ends[first + n] - words.ends[first]
    best = np.arange(len(first))
    for size in (counts, chars, -first):
        best = best[_largest(size[best], texts[best])]
    chosen = np.zeros(len(first), np.bool_)
    chosen[best] = True
    return repeated.places[chosen[repeated.numbers]]


def _largest(sizes: Ints, texts: Ints) -> npt.NDArray[np.bool_]:
    """Return where the size is the largest of its text; texts ascend."""
    starts = np.flatnonzero(np.concatenate((np.ones(1, np.bool_), texts[1:] != texts[:-1])))
    largest = np.maximum.reduceat(sizes, starts)
    is_largest: npt.NDArray[np.bool_] = sizes == np.repeat(largest, np.diff(np.append(starts, len(sizes))))
    return is_largest
