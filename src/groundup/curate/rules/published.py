"""Published rule sets: every number with the place that it comes from."""

import re

from groundup.curate.rules.mild import MILD_WORDS
from groundup.curate.rules.rule import Mark, Rule, RuleSet

_A1_1 = "Rae et al. 2021, A1.1"
_TABLE_A1 = "Rae et al. 2021, Table A1"
_C4 = "Raffel et al. 2020, section 2.2"
_C4_CODE = "the code that made C4 (c4_utils.py)"
_FINEWEB = "Penedo et al. 2024, section 3.6"
_FINEWEB_CODE = "datatrove 0.10, fineweb_quality_filter.py"
_REFINEDWEB = "Penedo et al. 2023, appendix G.2, as reported"
_OURS = "the paper gives no number; ours"

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

C4 = RuleSet(
    name="c4-jmlr",
    source="the heuristics of C4: Raffel et al. 2020, JMLR 21 (140), section 2.2",
    before=(
        Rule("lorem_ipsum", "lorem_ipsum", "at_most", 0, _C4),
        Rule("curly_brackets", "curly_brackets", "at_most", 0, _C4),
    ),
    lines=(
        Rule("line_longest_word", "longest_word", "at_most", 1000, _C4_CODE),
        Mark(
            "citation_marks", "[], [1], [edit], [citation needed]", re.compile(r"\[(?:\d*|edit|citation needed)\]"), _C4, hint="["
        ),
        Rule("line_end_mark", "end_mark", "at_least", 1, _C4),
        Rule("line_words", "words", "at_least", 5, _C4),
        Rule("line_javascript", "javascript", "at_most", 0, _C4),
        Rule("line_policy", "policy_phrases", "at_most", 0, _C4),
    ),
    rules=(Rule("sentences_min", "num_sentences", "at_least", 3, _C4),),
)

FINEWEB_PAPER = RuleSet(
    name="fineweb-paper",
    source="FineWeb's own filters as in the paper: Penedo et al. 2024, arXiv 2406.17557, section 3.6",
    rules=(
        Rule("punctuated_lines", "punctuated_lines", "above", 0.12, _FINEWEB),
        Rule("duplicate_line_chars", "duplicate_line_chars", "below", 0.1, _FINEWEB),
        Rule("short_lines", "lines_under_30_chars", "below", 0.67, _FINEWEB),
    ),
)

FINEWEB_CODE = RuleSet(
    name="fineweb-code",
    source="the same as in the code published with it, which differs: datatrove 0.10, FineWebQualityFilter",
    rules=(
        Rule("punctuated_lines", "punctuated_lines", "at_least", 0.12, _FINEWEB_CODE),
        Rule("short_lines", "lines_to_30_chars", "at_most", 0.67, _FINEWEB_CODE),
        Rule("duplicate_line_chars", "duplicate_line_chars", "at_most", 0.01, _FINEWEB_CODE),
        Rule("line_feeds_per_word", "line_feeds_per_word", "at_most", 0.3, _FINEWEB_CODE),
    ),
)


def _short_line_mark(name: str, where: str, pattern: str) -> Mark:
    return Mark(name, f"{where}, in lines of at most 10 words", re.compile(pattern, re.IGNORECASE), _REFINEDWEB, max_words=10)


REFINEDWEB = RuleSet(
    name="refinedweb",
    source="the line-wise corrections of RefinedWeb: Penedo et al. 2023, arXiv 2306.01116, appendix G.2",
    lines=(
        Rule("line_uppercase", "uppercase_chars", "at_most", 0.5, f"{_REFINEDWEB} ('mainly'; {_OURS})"),
        Rule("line_numeric", "numeric_words", "below", 1, _REFINEDWEB),
        Rule("line_counter", "counter", "below", 1, _REFINEDWEB),
        Rule("line_words", "words", "above", 1, _REFINEDWEB),
        _short_line_mark("start_marks", "sign-in, log in, sign up at the start", r"^\W*(?:sign|log)[ -]?(?:in|up)\b\W*"),
        _short_line_mark("end_marks", "'Read more...' at the end", r"(?<!\W)\W*\b(?:read|see|show) more\W*$"),
        _short_line_mark("inner_marks", "'items in cart' anywhere", r"\b(?:\d+ )?items? in (?:your )?cart\b"),
    ),
    rules=(Rule("flagged_words", "flagged_words", "at_most", 0.05, _REFINEDWEB),),
)

RULE_SETS: dict[str, RuleSet] = {
    "gopher-2021": GOPHER,
    "gopher-2021-repetition": GOPHER_REPETITION,
    "c4-jmlr": C4,
    "fineweb-paper": FINEWEB_PAPER,
    "fineweb-code": FINEWEB_CODE,
    "refinedweb": REFINEDWEB,
    "mild-words": MILD_WORDS,
}
