"""The rules of MassiveText (Rae et al. 2021, arXiv 2112.11446, appendix A1.1) with the paper's thresholds."""

from collections.abc import Callable

from groundup.curate.rules.rule import Rule
from groundup.curate.rules.statistics import TextStatistics

QUALITY: tuple[Rule, ...] = (
    Rule("words_min", lambda text: text.num_words, "at_least", 50),
    Rule("words_max", lambda text: text.num_words, "at_most", 100_000),
    Rule("mean_word_length_min", lambda text: text.mean_word_length, "at_least", 3),
    Rule("mean_word_length_max", lambda text: text.mean_word_length, "at_most", 10),
    Rule("hash_signs_per_word", lambda text: text.hash_signs_per_word, "at_most", 0.1),
    Rule("ellipses_per_word", lambda text: text.ellipses_per_word, "at_most", 0.1),
    Rule("bullet_lines", lambda text: text.bullet_lines, "at_most", 0.9),
    Rule("ellipsis_lines", lambda text: text.ellipsis_lines, "at_most", 0.3),
    Rule("words_with_letter", lambda text: text.words_with_letter, "at_least", 0.8),
    Rule("stop_words", lambda text: text.stop_words, "at_least", 2),
)


def _top(n: int) -> Callable[[TextStatistics], float]:
    return lambda text: text.ngrams[n].top


def _duplicate(n: int) -> Callable[[TextStatistics], float]:
    return lambda text: text.ngrams[n].duplicate


_TOP_NGRAM_CHARS = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE_NGRAM_CHARS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

REPETITION: tuple[Rule, ...] = (
    Rule("duplicate_lines", lambda text: text.duplicate_lines[0], "at_most", 0.30),
    Rule("duplicate_paragraphs", lambda text: text.duplicate_paragraphs[0], "at_most", 0.30),
    Rule("duplicate_line_chars", lambda text: text.duplicate_lines[1], "at_most", 0.20),
    Rule("duplicate_paragraph_chars", lambda text: text.duplicate_paragraphs[1], "at_most", 0.20),
    *(Rule(f"top_{n}gram_chars", _top(n), "at_most", bound) for n, bound in _TOP_NGRAM_CHARS.items()),
    *(Rule(f"duplicate_{n}gram_chars", _duplicate(n), "at_most", bound) for n, bound in _DUPLICATE_NGRAM_CHARS.items()),
)
"""Table A1; what counts as a duplicate is said in statistics.py."""
