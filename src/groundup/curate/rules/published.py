"""Published rule sets: every number with the place that it comes from."""

from groundup.curate.config import RuleSetName
from groundup.curate.rules.rule import Rule, RuleSet

_A1_1 = "Rae et al. 2021, A1.1"
_TABLE_A1 = "Rae et al. 2021, Table A1"

GOPHER = RuleSet(
    name="gopher-2021",
    source="the quality rules of MassiveText: Rae et al. 2021, arXiv 2112.11446, appendix A1.1",
    rules=(
        Rule("words_min", "num_words", "at_least", 50, _A1_1),
        Rule("words_max", "num_words", "at_most", 100_000, _A1_1),
        Rule("mean_word_length_min", "mean_word_length", "at_least", 3, _A1_1),
        Rule("mean_word_length_max", "mean_word_length", "at_most", 10, _A1_1),
        Rule("hash_signs_per_word", "hash_signs_per_word", "at_most", 0.1, _A1_1),
        Rule("ellipses_per_word", "ellipses_per_word", "at_most", 0.1, _A1_1),
        Rule("bullet_lines", "bullet_lines", "at_most", 0.9, _A1_1),
        Rule("ellipsis_lines", "ellipsis_lines", "at_most", 0.3, _A1_1),
        Rule("words_with_letter", "words_with_letter", "at_least", 0.8, _A1_1),
        Rule("stop_words", "stop_words", "at_least", 2, _A1_1),
    ),
)

GOPHER_REPETITION = RuleSet(
    name="gopher-2021-repetition",
    source="the repetition rules of MassiveText: Rae et al. 2021, arXiv 2112.11446, Table A1",
    rules=(
        Rule("duplicate_lines", "duplicate_lines", "at_most", 0.30, _TABLE_A1),
        Rule("duplicate_paragraphs", "duplicate_paragraphs", "at_most", 0.30, _TABLE_A1),
        Rule("duplicate_line_chars", "duplicate_line_chars", "at_most", 0.20, _TABLE_A1),
        Rule("duplicate_paragraph_chars", "duplicate_paragraph_chars", "at_most", 0.20, _TABLE_A1),
        Rule("top_2gram_chars", "top_2gram_chars", "at_most", 0.20, _TABLE_A1),
        Rule("top_3gram_chars", "top_3gram_chars", "at_most", 0.18, _TABLE_A1),
        Rule("top_4gram_chars", "top_4gram_chars", "at_most", 0.16, _TABLE_A1),
        Rule("duplicate_5gram_chars", "duplicate_5gram_chars", "at_most", 0.15, _TABLE_A1),
        Rule("duplicate_6gram_chars", "duplicate_6gram_chars", "at_most", 0.14, _TABLE_A1),
        Rule("duplicate_7gram_chars", "duplicate_7gram_chars", "at_most", 0.13, _TABLE_A1),
        Rule("duplicate_8gram_chars", "duplicate_8gram_chars", "at_most", 0.12, _TABLE_A1),
        Rule("duplicate_9gram_chars", "duplicate_9gram_chars", "at_most", 0.11, _TABLE_A1),
        Rule("duplicate_10gram_chars", "duplicate_10gram_chars", "at_most", 0.10, _TABLE_A1),
    ),
)

RULE_SETS: dict[RuleSetName, RuleSet] = {"gopher-2021": GOPHER, "gopher-2021-repetition": GOPHER_REPETITION}
