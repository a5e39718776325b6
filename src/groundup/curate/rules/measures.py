"""What can be measured of a text, by name."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from groundup.curate.rules.batch import Batch, Floats
from groundup.curate.rules.characters import ELLIPSES, STOP_WORDS, Bools, Ints

_FRACTIONS = tuple(step / 100 for step in range(101))
_COUNTS = (0, *(mantissa * 10**power for power in range(8) for mantissa in (1, 2, 3, 5, 7)))
_WORD_LENGTHS = tuple(step / 4 for step in range(81))
_PERPLEXITIES = (0, *(10 ** (step / 16) for step in range(97)))
_SHORT_LINE_CHARS = 30
_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Measure:
    """One number of each text of a batch, always 0 or more."""

    description: str
    of: Callable[[Batch], Floats | Ints]
    edges: tuple[float, ...] = _FRACTIONS
    """Of the bins of its histogram; the last bin is open above."""


def _lines_ending(batch: Batch, ends: Bools) -> Floats:
    """Return the part of the lines whose last word is one of those that end as asked."""
    return batch.per_line(batch.over_lines(batch.of_words(ends)[batch.line_ends]))


def _bullet_lines(batch: Batch) -> Floats:
    starts = batch.of_words(batch.characters.is_bullet)[batch.line_starts]
    starts &= (batch.word_counts > 1) | ~batch.of_words(batch.characters.is_lone_bullet)[batch.line_starts]
    return batch.per_line(batch.over_lines(starts))


def _words_with_letter(batch: Batch) -> Floats:
    return batch.per_word(batch.over_words(batch.of_words(batch.characters.has_letter)))


def _stop_words(batch: Batch) -> Ints:
    numbers = batch.of_words(batch.characters.stop_words)
    words = np.flatnonzero(numbers >= 0)
    found = np.zeros((len(batch), len(STOP_WORDS)), np.int64)
    found[batch.text_of_line[batch.line_of_word[words]], numbers[words]] = 1
    sums: Ints = found.sum(axis=1)
    return sums


def _num_sentences(batch: Batch) -> Ints:
    ends = batch.of_words(batch.characters.ends_sentence)
    return batch.over_words(ends) + batch.over_lines(~ends[batch.line_ends])


def _duplicates(batch: Batch, units_of: Callable[[int], list[str]]) -> tuple[Floats, Floats]:
    """Return the parts of the units, and of their characters, in repeated units; paragraphs repeat only where lines do."""
    parts, chars = np.zeros(len(batch)), np.zeros(len(batch))
    for text in batch.with_repeated_lines:
        units = units_of(text)
        distinct = set(units)
        num_chars = sum(map(len, units))
        parts[text] = (len(units) - len(distinct)) / len(units)
        chars[text] = (num_chars - sum(map(len, distinct))) / num_chars
    return parts, chars


def _duplicate_lines(batch: Batch) -> tuple[Floats, Floats]:
    return _duplicates(batch, lambda text: list(map(batch.line, batch.lines_of(text))))


def _duplicate_paragraphs(batch: Batch) -> tuple[Floats, Floats]:
    return _duplicates(batch, lambda text: [unit for part in _BLANK_LINE.split(batch.texts[text]) if (unit := part.strip())])


def _classifier_score(batch: Batch) -> Floats:
    assert batch.classifier is not None, "the settings were not validated"
    return batch.classifier.scores(batch.texts)


def _lorem_ipsum(batch: Batch) -> Ints:
    return batch.over_lines(batch.lines_with(batch.characters.places_of("lorem ipsum")))


def _perplexity(batch: Batch) -> Floats:
    assert batch.perplexity is not None, "the settings were not validated"
    return batch.perplexity.perplexities(batch.texts)


def _top(n: int) -> Measure:
    what = f"part of the words' characters in all occurrences of the most frequent {n}-gram of words; 0 if none repeats"
    return Measure(what, lambda batch: batch.repetition.top[n])


def _duplicate(n: int) -> Measure:
    what = f"part of the words' characters in {n}-grams of words that occurred before"
    return Measure(what, lambda batch: batch.repetition.duplicate[n])


MEASURES: dict[str, Measure] = {
    "num_words": Measure("words", lambda batch: batch.num_words, _COUNTS),
    "num_sentences": Measure("sentences: words that end one, and lines that end without", _num_sentences, _COUNTS),
    "mean_word_length": Measure(
        "characters a word", lambda batch: batch.per_word(batch.over_words(batch.of_words(batch.characters.lengths))), _WORD_LENGTHS
    ),
    "words_with_letter": Measure("part of the words that hold a letter of any script", _words_with_letter),
    "stop_words": Measure(
        f"how many different ones of the words {', '.join(STOP_WORDS)} occur, in any case", _stop_words, tuple(range(9))
    ),
    "hash_signs_per_word": Measure(
        "number of '#' over number of words", lambda batch: batch.per_word(batch.counted(lambda text: text.count("#")))
    ),
    "ellipses_per_word": Measure(
        "number of '...' and '…' over number of words",
        lambda batch: batch.per_word(batch.counted(lambda text: sum(map(text.count, ELLIPSES)))),
    ),
    "line_feeds_per_word": Measure(
        "number of line feeds over number of words", lambda batch: batch.per_word(batch.counted(lambda text: text.count("\n")))
    ),
    "curly_brackets": Measure("number of '{'", lambda batch: batch.counted(lambda text: text.count("{")), _COUNTS),
    "lorem_ipsum": Measure("how often 'lorem ipsum' occurs, in any case", _lorem_ipsum, _COUNTS),
    "listed_words": Measure(
        "how often words and phrases of the list given by the user occur, in upper or lower case",
        lambda batch: batch.counted(batch.listed.count),
        _COUNTS,
    ),
    "listed_words_per_word": Measure(
        "the same over number of words", lambda batch: batch.per_word(batch.counted(batch.listed.count))
    ),
    "classifier_score": Measure(
        "part of the text, about, that is like the good examples which the classifier given by the user was trained on",
        _classifier_score,
    ),
    "perplexity": Measure(
        "perplexity a piece of a word under the n-gram model given by the user: low where it foresees the text",
        _perplexity,
        _PERPLEXITIES,
    ),
    "bullet_lines": Measure("part of the lines that start with a bullet: • ‣ ◦, or - or * and a space", _bullet_lines),
    "ellipsis_lines": Measure(
        "part of the lines that end with '...' or '…'", lambda batch: _lines_ending(batch, batch.characters.ends_in_ellipsis)
    ),
    "punctuated_lines": Measure(
        "part of the lines that end with a mark that ends sentences, or a quotation mark",
        lambda batch: _lines_ending(batch, batch.characters.ends_in_punctuation),
    ),
    "lines_under_30_chars": Measure(
        f"part of the lines of fewer than {_SHORT_LINE_CHARS} characters",
        lambda batch: batch.per_line(batch.over_lines(batch.line_lengths < _SHORT_LINE_CHARS)),
    ),
    "lines_to_30_chars": Measure(
        f"part of the lines of at most {_SHORT_LINE_CHARS} characters",
        lambda batch: batch.per_line(batch.over_lines(batch.line_lengths <= _SHORT_LINE_CHARS)),
    ),
    "duplicate_lines": Measure("part of the lines that occurred before", lambda batch: _duplicate_lines(batch)[0]),
    "duplicate_line_chars": Measure(
        "part of the lines' characters in lines that occurred before", lambda batch: _duplicate_lines(batch)[1]
    ),
    "duplicate_paragraphs": Measure(
        "part of the paragraphs that occurred before; blank lines separate them", lambda batch: _duplicate_paragraphs(batch)[0]
    ),
    "duplicate_paragraph_chars": Measure(
        "part of the paragraphs' characters in paragraphs that occurred before", lambda batch: _duplicate_paragraphs(batch)[1]
    ),
    "top_2gram_chars": _top(2),
    "top_3gram_chars": _top(3),
    "top_4gram_chars": _top(4),
    "duplicate_5gram_chars": _duplicate(5),
    "duplicate_6gram_chars": _duplicate(6),
    "duplicate_7gram_chars": _duplicate(7),
    "duplicate_8gram_chars": _duplicate(8),
    "duplicate_9gram_chars": _duplicate(9),
    "duplicate_10gram_chars": _duplicate(10),
    "flagged_words": Measure(
        "part of the words that stood in lines which this set's rules about lines took out or edited",
        lambda batch: batch.flagged_words,
    ),
}
