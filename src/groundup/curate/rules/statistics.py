"""What the rules measure of a text, each measure taken once.

Words are what white space separates, punctuation included. Lines are separated by line feeds, paragraphs by blank lines; blank
ones do not count, and space at their ends does not.
A *duplicate* is an occurrence after the first, so that a fraction of duplicates is what a text would lose if each repeated
part stood in it once. Fractions of characters are over the characters of the units themselves (words, lines, paragraphs), not
over the white space between them, so that indentation changes none of them and all lie between 0 and 1.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS = ("•", "‣", "◦", "- ", "* ")
"""A hyphen or asterisk is one only before a space: Markdown writes **bold** and --- with them."""
ELLIPSES = ("...", "…")
MAX_NGRAM = 10
_LETTER = re.compile(r"[^\W\d_]")
_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class NgramRepetition:
    """Parts of the words' characters that lie in repeated n-grams of one n."""

    top: float
    """In all occurrences of the most frequent n-gram (of several the longest, then the first); 0 if none repeats."""
    duplicate: float
    """In n-grams that occurred before."""


NOTHING_REPEATED = NgramRepetition(0.0, 0.0)


class TextStatistics:
    """The measures of one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @cached_property
    def lines(self) -> list[str]:
        return _units(self.text.split("\n"))

    @cached_property
    def paragraphs(self) -> list[str]:
        return _units(_BLANK_LINE.split(self.text))

    @cached_property
    def num_words(self) -> int:
        return len(self.words)

    @cached_property
    def mean_word_length(self) -> float:
        """In characters."""
        return sum(map(len, self.words)) / max(self.num_words, 1)

    @cached_property
    def hash_signs_per_word(self) -> float:
        return self.text.count("#") / max(self.num_words, 1)

    @cached_property
    def ellipses_per_word(self) -> float:
        return sum(self.text.count(ellipsis) for ellipsis in ELLIPSES) / max(self.num_words, 1)

    @cached_property
    def bullet_lines(self) -> float:
        """Part of the lines that start with a bullet."""
        return _part(self.lines, lambda line: line.startswith(BULLETS))

    @cached_property
    def ellipsis_lines(self) -> float:
        """Part of the lines that end with an ellipsis."""
        return _part(self.lines, lambda line: line.endswith(ELLIPSES))

    @cached_property
    def words_with_letter(self) -> float:
        """Part of the words that hold at least one letter of any script."""
        return _part(self.words, lambda word: _LETTER.search(word) is not None)

    @cached_property
    def stop_words(self) -> int:
        """Number of different English stop words in the text, whatever their case."""
        return len(STOP_WORDS.intersection(word.lower() for word in set(self.words)))

    @cached_property
    def duplicate_lines(self) -> tuple[float, float]:
        """Parts of the lines, and of their characters, in duplicate lines."""
        return _duplicates(self.lines)

    @cached_property
    def duplicate_paragraphs(self) -> tuple[float, float]:
        """Parts of the paragraphs, and of their characters, in duplicate paragraphs."""
        return _duplicates(self.paragraphs)

    @cached_property
    def ngrams(self) -> dict[int, NgramRepetition]:
        """Repetition of n-grams of words for n = 2..10."""
        return ngram_repetition(self.words)


def _units(parts: list[str]) -> list[str]:
    return [stripped for part in parts if (stripped := part.strip())]


def _part(items: Sequence[str], counts: Callable[[str], bool]) -> float:
    return sum(map(counts, items)) / max(len(items), 1)


def _duplicates(units: list[str]) -> tuple[float, float]:
    distinct = set(units)
    if len(distinct) == len(units):
        return 0.0, 0.0
    num_chars = sum(map(len, units))
    return (len(units) - len(distinct)) / len(units), (num_chars - sum(map(len, distinct))) / num_chars


def ngram_repetition(words: list[str]) -> dict[int, NgramRepetition]:
    """Return for n = 2..10 how much of the words' characters repeated n-grams cover, characters in several counted once.

    n-grams are numbered exactly (no hashing): an n-gram is a pair of an (n-1)-gram and a word, and the numbers of pairs
    come from sorting them, so the whole costs O(n words log words).
    """
    found = dict.fromkeys(range(2, MAX_NGRAM + 1), NOTHING_REPEATED)
    numbers: dict[str, int] = {}
    word_ids = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64, len(words))
    starts = np.concatenate(([0], np.cumsum(np.fromiter(map(len, words), np.int64, len(words)))))
    ngram_ids = word_ids
    for n in found:
        if len(words) < n:
            break
        pairs = ngram_ids[:-1] * len(numbers) + word_ids[n - 1 :]
        _, first, ngram_ids, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
        if len(first) == len(pairs):  # no n-gram repeats, so no longer one does
            break
        most_frequent = first[counts == counts.max()]
        lengths = starts[most_frequent + n] - starts[most_frequent]
        top = ngram_ids[most_frequent[lengths == lengths.max()].min()]
        repeats = first[ngram_ids] != np.arange(len(pairs))
        found[n] = NgramRepetition(_covered(ngram_ids == top, n, starts), _covered(repeats, n, starts))
    return found


def _covered(chosen: npt.NDArray[np.bool_], n: int, starts: npt.NDArray[np.int64]) -> float:
    """Return the part of all characters that lies in the n-grams at the `chosen` positions; `starts` are the words' offsets."""
    covered = np.zeros(len(starts) - 1, np.bool_)
    for offset in range(n):
        covered[offset : offset + len(chosen)] |= chosen
    return float(np.diff(starts)[covered].sum() / starts[-1])
