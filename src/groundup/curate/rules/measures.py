"""What can be measured of a text, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from groundup.curate.rules.statistics import TextStatistics


@dataclass(frozen=True)
class Measure:
    """One number of a text, always 0 or more."""

    description: str
    of: Callable[[TextStatistics], float]


def _top(n: int) -> Measure:
    return Measure(
        f"part of the words' characters in the occurrences of the most frequent {n}-gram, if it repeats",
        lambda text: text.ngrams[n].top,
    )


def _duplicate(n: int) -> Measure:
    return Measure(f"part of the words' characters in {n}-grams that occurred before", lambda text: text.ngrams[n].duplicate)


MEASURES: dict[str, Measure] = {
    "num_words": Measure("words: what white space separates", lambda text: text.num_words),
    "mean_word_length": Measure("characters a word", lambda text: text.mean_word_length),
    "hash_signs_per_word": Measure("number of '#' over number of words", lambda text: text.hash_signs_per_word),
    "ellipses_per_word": Measure("number of '...' and '…' over number of words", lambda text: text.ellipses_per_word),
    "bullet_lines": Measure("part of the lines that start with a bullet", lambda text: text.bullet_lines),
    "ellipsis_lines": Measure("part of the lines that end with an ellipsis", lambda text: text.ellipsis_lines),
    "words_with_letter": Measure("part of the words that hold a letter of any script", lambda text: text.words_with_letter),
    "stop_words": Measure("how many different ones of eight English stop words occur", lambda text: text.stop_words),
    "duplicate_lines": Measure("part of the lines that occurred before", lambda text: text.duplicate_lines[0]),
    "duplicate_line_chars": Measure("part of the lines' characters in duplicate lines", lambda text: text.duplicate_lines[1]),
    "duplicate_paragraphs": Measure("part of the paragraphs that occurred before", lambda text: text.duplicate_paragraphs[0]),
    "duplicate_paragraph_chars": Measure(
        "part of the paragraphs' characters in duplicate paragraphs", lambda text: text.duplicate_paragraphs[1]
    ),
    **{f"top_{n}gram_chars": _top(n) for n in (2, 3, 4)},
    **{f"duplicate_{n}gram_chars": _duplicate(n) for n in range(5, 11)},
}
