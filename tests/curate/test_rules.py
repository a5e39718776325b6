"""Every published number with its source, and a text on either side of each threshold."""

from typing import get_args

import pytest

from groundup.curate.rules import judge as judging
from groundup.curate.rules.characters import _BLOCK_CHARS
from groundup.curate.rules.config import RULE_ORDERS, LineMeasureName, MeasureName, RuleOrderName, RuleSetName
from groundup.curate.rules.judge import Judge, measure_all
from groundup.curate.rules.lines import LINE_MEASURES
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import Mark, Rule, RuleSet

# name: (measure, bound, threshold), straight from the source named above each set
PUBLISHED = {
    # of our own
    "mild-words": {"listed_words_per_word": ("listed_words_per_word", "at_most", 0.02)},
    # Rae et al. 2021, arXiv 2112.11446, A1.1
    "gopher-2021": {
        "words_min": ("num_words", "at_least", 50),
        "words_max": ("num_words", "at_most", 100_000),
        "mean_word_length_min": ("mean_word_length", "at_least", 3),
        "mean_word_length_max": ("mean_word_length", "at_most", 10),
        "hash_signs_per_word": ("hash_signs_per_word", "at_most", 0.1),
        "ellipses_per_word": ("ellipses_per_word", "at_most", 0.1),
        "bullet_lines": ("bullet_lines", "at_most", 0.9),
        "ellipsis_lines": ("ellipsis_lines", "at_most", 0.3),
        "words_with_letter": ("words_with_letter", "at_least", 0.8),
        "stop_words": ("stop_words", "at_least", 2),
    },
    # the same, Table A1
    "gopher-2021-repetition": {
        "duplicate_lines": ("duplicate_lines", "at_most", 0.30),
        "duplicate_paragraphs": ("duplicate_paragraphs", "at_most", 0.30),
        "duplicate_line_chars": ("duplicate_line_chars", "at_most", 0.20),
        "duplicate_paragraph_chars": ("duplicate_paragraph_chars", "at_most", 0.20),
        "top_2gram_chars": ("top_2gram_chars", "at_most", 0.20),
        "top_3gram_chars": ("top_3gram_chars", "at_most", 0.18),
        "top_4gram_chars": ("top_4gram_chars", "at_most", 0.16),
        "duplicate_5gram_chars": ("duplicate_5gram_chars", "at_most", 0.15),
        "duplicate_6gram_chars": ("duplicate_6gram_chars", "at_most", 0.14),
        "duplicate_7gram_chars": ("duplicate_7gram_chars", "at_most", 0.13),
        "duplicate_8gram_chars": ("duplicate_8gram_chars", "at_most", 0.12),
        "duplicate_9gram_chars": ("duplicate_9gram_chars", "at_most", 0.11),
        "duplicate_10gram_chars": ("duplicate_10gram_chars", "at_most", 0.10),
    },
    # Raffel et al. 2020, JMLR 21 (140), section 2.2: 3 sentences a page, 5 words a line; 1000 characters from the code of C4
    "c4-jmlr": {
        "lorem_ipsum": ("lorem_ipsum", "at_most", 0),
        "curly_brackets": ("curly_brackets", "at_most", 0),
        "line_longest_word": ("longest_word", "at_most", 1000),
        "line_end_mark": ("end_mark", "at_least", 1),
        "line_words": ("words", "at_least", 5),
        "line_javascript": ("javascript", "at_most", 0),
        "line_policy": ("policy_phrases", "at_most", 0),
        "sentences_min": ("num_sentences", "at_least", 3),
    },
    # Penedo et al. 2024, arXiv 2406.17557, section 3.6: dropped are <= 0.12, >= 0.1, >= 0.67 (shorter than 30 characters)
    "fineweb-paper": {
        "punctuated_lines": ("punctuated_lines", "above", 0.12),
        "duplicate_line_chars": ("duplicate_line_chars", "below", 0.1),
        "short_lines": ("lines_under_30_chars", "below", 0.67),
    },
    # datatrove 0.10, the defaults of FineWebQualityFilter: dropped are < 0.12, > 0.67 (30 characters or shorter), > 0.01, > 0.3
    "fineweb-code": {
        "punctuated_lines": ("punctuated_lines", "at_least", 0.12),
        "short_lines": ("lines_to_30_chars", "at_most", 0.67),
        "duplicate_line_chars": ("duplicate_line_chars", "at_most", 0.01),
        "line_feeds_per_word": ("line_feeds_per_word", "at_most", 0.3),
    },
    # Penedo et al. 2023, arXiv 2306.01116, appendix G.2; "mainly" uppercase is no number there
    "refinedweb": {
        "line_uppercase": ("uppercase_chars", "at_most", 0.5),
        "line_numeric": ("numeric_words", "below", 1),
        "line_counter": ("counter", "below", 1),
        "line_words": ("words", "above", 1),
        "flagged_words": ("flagged_words", "at_most", 0.05),
    },
}
VERSIONS = dict.fromkeys(PUBLISHED, 1)
MARKS = {"c4-jmlr": ["citation_marks"], "refinedweb": ["start_marks", "end_marks", "inner_marks"]}


def lines(total: int, marked: int, mark: str) -> str:
    return "\n".join(mark.format(i) if i < marked else f"line {i}" for i in range(total))


def repeats(total: int, extra: int, separator: str) -> str:
    """`total` units of equal length, `extra` of them copies of the first."""
    return separator.join([f"unit {i:02d}" for i in range(total - extra)] + ["unit 00"] * extra)


def ngram(n: int, word_len: int, num_chars: int) -> str:
    """One n-gram twice, the rest of `num_chars` characters in words that occur once."""
    gram = [chr(ord("a") + i) * word_len for i in range(n)]
    filler = "Z" * (num_chars - 2 * n * word_len)
    return " ".join([*gram, filler, *gram])


# (set, rule): (a text on the threshold, a text just beyond it)
TEXTS = {
    ("mild-words", "listed_words_per_word"): ("Damn " + "a " * 49, "Damn, " + "a " * 48),
    ("gopher-2021", "words_min"): ("a " * 50, "a " * 49),
    ("gopher-2021", "words_max"): ("a " * 100_000, "a " * 100_001),
    ("gopher-2021", "mean_word_length_min"): ("abcd ab", "abc ab"),
    ("gopher-2021", "mean_word_length_max"): ("a" * 9 + " " + "a" * 11, "a" * 10 + " " + "a" * 11),
    ("gopher-2021", "hash_signs_per_word"): ("#" + " a" * 9, "#" + " a" * 8),
    ("gopher-2021", "ellipses_per_word"): ("so... " + "a " * 9, "so… " + "a " * 8),
    ("gopher-2021", "bullet_lines"): (lines(10, 9, "- item {}"), lines(20, 19, "• item {}")),
    ("gopher-2021", "ellipsis_lines"): (lines(10, 3, "wait {} ..."), lines(10, 4, "wait {} …")),
    ("gopher-2021", "words_with_letter"): ("a1 b c d e f g é 1 -", "a b c d e f g 9 1 -"),
    ("gopher-2021", "stop_words"): ("The cat AND dog", "the the cat"),
    ("gopher-2021-repetition", "duplicate_lines"): (repeats(10, 3, "\n"), repeats(9, 3, "\n")),
    ("gopher-2021-repetition", "duplicate_paragraphs"): (repeats(10, 3, "\n\n"), repeats(9, 3, "\n\n\n")),
    ("gopher-2021-repetition", "duplicate_line_chars"): (repeats(10, 2, "\n  "), repeats(9, 2, "\n")),
    ("gopher-2021-repetition", "duplicate_paragraph_chars"): (repeats(10, 2, "\n \n"), repeats(9, 2, "\n\n")),
    ("gopher-2021-repetition", "top_2gram_chars"): (ngram(2, 5, 100), ngram(2, 5, 99)),
    ("gopher-2021-repetition", "top_3gram_chars"): (ngram(3, 3, 100), ngram(3, 3, 99)),
    ("gopher-2021-repetition", "top_4gram_chars"): (ngram(4, 2, 100), ngram(4, 2, 99)),
    ("gopher-2021-repetition", "duplicate_5gram_chars"): (ngram(5, 3, 100), ngram(5, 3, 99)),
    ("gopher-2021-repetition", "duplicate_6gram_chars"): (ngram(6, 7, 300), ngram(6, 7, 299)),
    ("gopher-2021-repetition", "duplicate_7gram_chars"): (ngram(7, 13, 700), ngram(7, 13, 699)),
    ("gopher-2021-repetition", "duplicate_8gram_chars"): (ngram(8, 3, 200), ngram(8, 3, 199)),
    ("gopher-2021-repetition", "duplicate_9gram_chars"): (ngram(9, 11, 900), ngram(9, 11, 899)),
    ("gopher-2021-repetition", "duplicate_10gram_chars"): (ngram(10, 10, 1000), ngram(10, 10, 999)),
    ("c4-jmlr", "lorem_ipsum"): ("Lorem and ipsum stand apart in here.", "Here stands LOREM Ipsum and so on."),
    ("c4-jmlr", "curly_brackets"): ("There is no such sign in here }.", "There is such a sign in here {."),
    ("c4-jmlr", "sentences_min"): ("It is one. It is two! It is three?", "Mr. J. Smith of the U.S. is one. He is two."),
    ("fineweb-paper", "punctuated_lines"): (lines(25, 3, "line {}."), lines(26, 3, "line {}.")),
    ("fineweb-paper", "duplicate_line_chars"): (repeats(10, 1, "\n"), repeats(9, 1, "\n")),
    ("fineweb-paper", "short_lines"): (lines(100, 33, "{:030d}"), lines(101, 33, "{:030d}")),
    ("fineweb-code", "punctuated_lines"): (lines(25, 3, "line {}!"), lines(26, 3, "line {}?")),
    ("fineweb-code", "short_lines"): (lines(100, 33, "{:031d}"), lines(101, 33, "{:031d}")),
    ("fineweb-code", "duplicate_line_chars"): (repeats(100, 1, "\n"), repeats(99, 1, "\n")),
    ("fineweb-code", "line_feeds_per_word"): ("a a a a a a a\na\na\na", "a a a a a a\na\na\na"),
    ("refinedweb", "flagged_words"): ("one two " * 9 + "end\nLogin", "one two " * 9 + "\nLogin"),
}
CASES = [(name, rule) for name, rule_set in RULE_SETS.items() for rule in rule_set.of_documents]
each_rule = pytest.mark.parametrize(("name", "rule"), CASES, ids=[f"{name}-{rule.name}" for name, rule in CASES])


def value_of(name: str, rule: Rule, text: str) -> float:
    return next(found.value for found in measure_all(text, [RULE_SETS[name]]) if found.rule == rule)


def test_tables_have_the_names_of_the_settings():
    assert set(RULE_SETS) == set(get_args(RuleSetName)) == set(PUBLISHED)
    assert set(RULE_ORDERS) == set(get_args(RuleOrderName))
    assert tuple(MEASURES) == get_args(MeasureName)
    assert tuple(LINE_MEASURES) == get_args(LineMeasureName)


@pytest.mark.parametrize("name", RULE_SETS)
def test_every_number_is_the_published_one(name):
    rule_set = RULE_SETS[name]
    assert rule_set.name == name
    steps = [*rule_set.before, *rule_set.lines, *rule_set.rules]
    bounds = {step.name: (step.measure, step.bound, step.threshold) for step in steps if isinstance(step, Rule)}
    assert list(bounds.items()) == list(PUBLISHED[name].items())
    assert [step.name for step in steps if isinstance(step, Mark)] == MARKS.get(name, [])
    assert all(step.source for step in steps)
    assert len({step.name for step in steps}) == len(steps)
    assert rule_set.version == VERSIONS[name], "numbers above have changed: raise the version here and in the set"


def test_massivetext_asks_quality_before_repetition():
    assert RULE_ORDERS == {"massivetext": ("gopher-2021", "gopher-2021-repetition")}


@each_rule
def test_rule_stands_at_its_threshold_and_drops_beyond(name, rule):
    on, beyond = TEXTS[name, rule.name]
    assert value_of(name, rule, on) == rule.threshold
    assert rule.passes(rule.threshold) == (rule.bound in ("at_least", "at_most"))
    assert not rule.passes(value_of(name, rule, beyond))


@pytest.mark.parametrize("text", ["", "  \n ", "a", "the", "{", "\u2028", "\ud800"])
@each_rule
def test_rules_measure_texts_without_units(name, rule, text):
    assert value_of(name, rule, text) >= 0


def test_first_broken_rule_is_named_with_its_value():
    good = "the cat and some dog went on " * 10
    short, kept, empty = Judge([RULE_SETS["gopher-2021"]]).judge(["too short", good, ""])
    assert short.broken is not None
    assert (short.broken.rule_set, short.broken.rule.name, short.broken.value) == ("gopher-2021", "words_min", 2)
    assert (kept.broken, kept.text) == (None, good)
    assert empty.broken is not None


def test_no_texts_and_no_sets():
    assert Judge(list(RULE_SETS.values())).judge([]) == []
    (verdict,) = Judge([]).judge([" any text\n"])
    assert (verdict.text, verdict.broken) == (" any text\n", None)


def test_all_rules_are_measured_also_after_a_broken_one():
    found = measure_all("too short", list(RULE_SETS.values()))
    assert [(each.rule_set, each.rule) for each in found] == CASES
    assert [each.rule.name for each in found if not each.passes][:2] == ["words_min", "stop_words"]


@pytest.mark.parametrize("limit", ["MAX_BATCH_TEXTS", "MAX_BATCH_CHARS"])
def test_verdicts_do_not_hang_on_the_batch(limit, monkeypatch):
    texts = [text for pair in TEXTS.values() for text in pair if len(text) < 10_000]
    judge = Judge([RULE_SETS[name] for name in ("fineweb-paper", "refinedweb", "gopher-2021-repetition", "c4-jmlr", "gopher-2021")])
    together = judge.judge(texts)
    assert len({verdict.broken.rule.name for verdict in together if verdict.broken}) > 5
    monkeypatch.setattr(judging, limit, 7)
    assert judge.judge(texts) == together
    assert [verdict for text in texts for verdict in judge.judge([text])] == together


def test_words_longer_than_a_block_are_told_apart():
    longer = _BLOCK_CHARS + 7
    same, other = "x" * longer, "x" * (longer - 1) + "y"
    filler = " ".join(f"w{i}" for i in range(20))
    rule = RuleSet("own", (Rule("top", "top_2gram_chars", "at_most", 0),))
    texts = [f"{same} b {filler} {same} b", f"{same} b {filler} {other} b"]
    assert [bool(verdict.broken) for verdict in Judge([rule]).judge(texts)] == [True, False]


def test_emphasis_is_no_bullet():
    text = "**NORA.** Hide the tree.\n*softly* Yes.\n---\n-5 degrees\n- item\n  * item"
    (rule,) = (rule for rule in RULE_SETS["gopher-2021"].rules if rule.name == "bullet_lines")
    assert value_of("gopher-2021", rule, text) == 2 / 6


def test_indentation_changes_no_repetition():
    text = "some words here\n" * 3 + "and others there\n"
    indented = text.replace("\n", "\n\t\t")
    for rule in RULE_SETS["gopher-2021-repetition"].rules:
        assert value_of("gopher-2021-repetition", rule, text) == value_of("gopher-2021-repetition", rule, indented)
