"""A batch of texts cut into lines and words, all in flat arrays: what a call to numpy costs is shared by the texts.

Lines are separated by line feeds; blank ones do not count, and space at their ends does not.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.curate.classifier.linear import LinearClassifier
from groundup.curate.perplexity.stored import PerplexityScorer
from groundup.curate.rules.characters import Bools, Characters, Ints
from groundup.curate.rules.listed import NOTHING_LISTED, Listed
from groundup.curate.rules.ngrams import Repetition, repetition, twice

Floats = npt.NDArray[np.float64]
EVERYTHING = slice(None)


class Batch:
    """Texts with their lines and words; arrays are over texts, over lines or over words. Made by `Batch.of`."""

    def __init__(self, texts: list[str], characters: Characters, words: Ints | slice, word_counts: Ints, line_counts: Ints):
        self.texts = texts
        self.characters = characters
        """Holds the words of all texts, and others that texts may have lost."""
        self.words = words
        """Numbers of the texts' words in `characters`."""
        self.word_counts = word_counts
        """Words of each line; at least one."""
        self.line_counts = line_counts
        """Lines of each text."""
        self.flagged_words: Floats = np.zeros(len(texts))
        """Part of the words of each text that stood in lines which the rules about lines took out or edited."""
        self.listed = NOTHING_LISTED
        """The words and phrases that the rule set brings along."""
        self.classifier: LinearClassifier | None = None
        """The classifier that the rule set brings along."""
        self.perplexity: PerplexityScorer | None = None
        """The perplexity model that the rule set brings along."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Batch":
        characters = Characters("\n".join(texts))
        begins = offsets(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        new_lines = np.append(0, np.searchsorted(characters.starts, characters.line_feeds))
        first_of_line = np.unique(new_lines[new_lines < len(characters)])
        first_of_text = np.searchsorted(characters.starts, begins)
        word_counts = np.diff(np.append(first_of_line, len(characters)))
        return cls(list(texts), characters, EVERYTHING, word_counts, np.diff(np.searchsorted(first_of_line, first_of_text)))

    def __len__(self) -> int:
        return len(self.texts)

    def bring(self, listed: Listed, classifier: LinearClassifier | None, perplexity: PerplexityScorer | None) -> None:
        """Take what a rule set brings along."""
        self.listed, self.classifier, self.perplexity = listed, classifier, perplexity

    def take(self, chosen: Bools) -> "Batch":
        """Return the chosen texts only."""
        texts = [text for text, is_chosen in zip(self.texts, chosen.tolist(), strict=True) if is_chosen]
        taken = self.with_lines(texts, np.repeat(chosen, self.line_counts), self.line_counts[chosen])
        taken.flagged_words = self.flagged_words[chosen]
        return taken

    def with_lines(self, texts: list[str], chosen: Bools, line_counts: Ints) -> "Batch":
        """Return a batch of the chosen lines; `texts` are what they make."""
        words = self._numbers[np.repeat(chosen, self.word_counts)]
        return Batch(texts, self.characters, words, self.word_counts[chosen], line_counts)

    def with_changed(self, changed: dict[int, str]) -> "Batch":
        """Return a batch with other words in some lines, none of them blank; the texts stay as they are."""
        lines = sorted(changed)
        pieces, counts, done, new = [], self.word_counts.copy(), 0, len(self.characters)
        for line in lines:
            start, count = int(self.line_starts[line]), len(changed[line].split())
            pieces += [self._numbers[done:start], np.arange(new, new + count)]
            done, new, counts[line] = start + int(counts[line]), new + count, count
        pieces.append(self._numbers[done:])
        characters = self.characters.with_lines(changed[line] for line in lines)
        return Batch(self.texts, characters, np.concatenate(pieces), counts, self.line_counts)

    @property
    def _numbers(self) -> Ints:
        return np.arange(len(self.characters)) if isinstance(self.words, slice) else self.words

    @cached_property
    def _first_lines(self) -> Ints:
        return offsets(self.line_counts)

    @cached_property
    def _first_words_of_lines(self) -> Ints:
        return offsets(self.word_counts)

    @cached_property
    def _first_words(self) -> Ints:
        return self._first_words_of_lines[self._first_lines]

    @property
    def line_starts(self) -> Ints:
        """Return the place of the first word of each line."""
        return self._first_words_of_lines[:-1]

    @property
    def line_ends(self) -> Ints:
        """Return the place of the last word of each line."""
        return self._first_words_of_lines[1:] - 1

    @cached_property
    def num_words(self) -> Ints:
        return np.diff(self._first_words)

    @cached_property
    def text_of_line(self) -> Ints:
        return np.repeat(np.arange(len(self)), self.line_counts)

    @cached_property
    def line_of_word(self) -> Ints:
        return np.repeat(np.arange(len(self.word_counts)), self.word_counts)

    @cached_property
    def _line_bounds(self) -> tuple[Ints, Ints]:
        starts, ends = self.of_words(self.characters.starts), self.of_words(self.characters.ends)
        return starts[self.line_starts], ends[self.line_ends]

    @property
    def line_lengths(self) -> Ints:
        """Return the characters of each line."""
        starts, ends = self._line_bounds
        return ends - starts

    def line(self, number: int) -> str:
        """Return a line, without the space at its ends."""
        starts, ends = self._line_bounds
        return self.characters.text[starts[number] : ends[number]]

    def lines_of(self, text: int) -> range:
        """Return the numbers of the lines of a text."""
        return range(int(self._first_lines[text]), int(self._first_lines[text + 1]))

    def of_words(self, found: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what was found of all words of `characters` for those of the texts."""
        return found[self.words]

    def over_words(self, values: Ints | Bools) -> Ints:
        """Return the sum over the words of each text."""
        return np.diff(offsets(values)[self._first_words])

    def over_lines(self, values: Ints | Bools) -> Ints:
        """Return the sum over the lines of each text."""
        return np.diff(offsets(values)[self._first_lines])

    def within_lines(self, values: Ints | Bools) -> Ints:
        """Return the sum over the words of each line."""
        return np.diff(offsets(values)[self._first_words_of_lines])

    def per_word(self, sums: Ints) -> Floats:
        """Return the sums over the number of words, 0 of a text without words."""
        return sums / np.maximum(self.num_words, 1)

    def per_line(self, sums: Ints) -> Floats:
        """Return the sums over the number of lines, 0 of a text without lines."""
        return sums / np.maximum(self.line_counts, 1)

    def counted(self, count: Callable[[str], int]) -> Ints:
        """Return what `count` finds in each text."""
        return np.fromiter(map(count, self.texts), np.int64, len(self))

    def lines_with(self, places: Ints) -> Ints:
        """Return how many of these places in `characters` lie in each line."""
        numbers = np.searchsorted(self.characters.starts, places, side="right") - 1
        if not isinstance(self.words, slice):
            here = np.full(len(self.characters), -1)
            here[self.words] = np.arange(len(self.words))
            numbers = here[numbers]
        return np.bincount(self.line_of_word[numbers[numbers >= 0]], minlength=len(self.word_counts))

    @cached_property
    def with_repeated_lines(self) -> list[int]:
        """Return the texts in which a line may occur twice: every one in which one does, and hardly another."""
        if not len(self.word_counts):
            return []
        sums = np.add.reduceat(self.of_words(self.characters.hashes), self.line_starts)
        found: list[int] = np.unique(self.text_of_line[twice(sums, self.text_of_line, len(self))]).tolist()
        return found

    @cached_property
    def repetition(self) -> Repetition:
        """Return how much of each text repeated n-grams of words cover."""
        hashes, lengths = self.of_words(self.characters.hashes), self.of_words(self.characters.lengths)
        return repetition(hashes, lengths, self._first_words)


def offsets(counts: Ints | Bools) -> Ints:
    """Return 0 and the running sums."""
    found = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=found[1:])
    return found
