"""Every published rule at its threshold, both sides; repetition against a slow exact version."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.config import RuleSetName
from groundup.curate.rules.judge import Judge, measure_all
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import Rule
from groundup.curate.rules.statistics import TextStatistics, ngram_repetition


def value_of(rule: Rule, text: str) -> float:
    return MEASURES[rule.measure].of(TextStatistics(text))


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


# rule: (threshold, a text on the threshold, a text just beyond it)
QUALITY = {
    "words_min": (50, "a " * 50, "a " * 49),
    "words_max": (100_000, "a " * 100_000, "a " * 100_001),
    "mean_word_length_min": (3, "abcd ab", "abc ab"),
    "mean_word_length_max": (10, "a" * 9 + " " + "a" * 11, "a" * 10 + " " + "a" * 11),
    "hash_signs_per_word": (0.1, "#" + " a" * 9, "#" + " a" * 8),
    "ellipses_per_word": (0.1, "so... " + "a " * 9, "so… " + "a " * 8),
    "bullet_lines": (0.9, lines(10, 9, "- item {}"), lines(20, 19, "• item {}")),
    "ellipsis_lines": (0.3, lines(10, 3, "wait {} ..."), lines(10, 4, "wait {} …")),
    "words_with_letter": (0.8, "a1 b c d e f g é 1 -", "a b c d e f g 9 1 -"),
    "stop_words": (2, "The cat AND dog", "the the cat"),
}
REPETITION = {
    "duplicate_lines": (0.30, repeats(10, 3, "\n"), repeats(9, 3, "\n")),
    "duplicate_paragraphs": (0.30, repeats(10, 3, "\n\n"), repeats(9, 3, "\n\n\n")),
    "duplicate_line_chars": (0.20, repeats(10, 2, "\n  "), repeats(9, 2, "\n")),
    "duplicate_paragraph_chars": (0.20, repeats(10, 2, "\n \n"), repeats(9, 2, "\n\n")),
    "top_2gram_chars": (0.20, ngram(2, 5, 100), ngram(2, 5, 99)),
    "top_3gram_chars": (0.18, ngram(3, 3, 100), ngram(3, 3, 99)),
    "top_4gram_chars": (0.16, ngram(4, 2, 100), ngram(4, 2, 99)),
    "duplicate_5gram_chars": (0.15, ngram(5, 3, 100), ngram(5, 3, 99)),
    "duplicate_6gram_chars": (0.14, ngram(6, 7, 300), ngram(6, 7, 299)),
    "duplicate_7gram_chars": (0.13, ngram(7, 13, 700), ngram(7, 13, 699)),
    "duplicate_8gram_chars": (0.12, ngram(8, 3, 200), ngram(8, 3, 199)),
    "duplicate_9gram_chars": (0.11, ngram(9, 11, 900), ngram(9, 11, 899)),
    "duplicate_10gram_chars": (0.10, ngram(10, 10, 1000), ngram(10, 10, 999)),
}
PUBLISHED = {"gopher-2021": QUALITY, "gopher-2021-repetition": REPETITION}
CASES = [(name, rule, *PUBLISHED[name][rule.name]) for name, rule_set in RULE_SETS.items() for rule in rule_set.rules]


def test_table_has_the_names_of_the_settings():
    assert set(RULE_SETS) == set(get_args(RuleSetName)) == set(PUBLISHED)
    for name, rule_set in RULE_SETS.items():
        assert rule_set.name == name
        assert [rule.name for rule in rule_set.rules] == list(PUBLISHED[name])


@pytest.mark.parametrize(("name", "rule", "threshold", "on", "beyond"), CASES, ids=[case[1].name for case in CASES])
def test_rule_keeps_its_threshold_and_drops_beyond(name, rule, threshold, on, beyond):
    assert rule.threshold == threshold
    assert value_of(rule, on) == threshold
    assert rule.passes(value_of(rule, on))
    assert not rule.passes(value_of(rule, beyond))


@pytest.mark.parametrize("text", ["", "  \n ", "a", "the"])
@pytest.mark.parametrize("rule", [rule for rule_set in RULE_SETS.values() for rule in rule_set.rules], ids=lambda rule: rule.name)
def test_rules_measure_texts_without_units(rule, text):
    assert value_of(rule, text) >= 0


def test_first_broken_rule_is_named_with_its_value():
    good = "the cat and some dog went on " * 10
    short, kept = Judge([RULE_SETS["gopher-2021"]]).judge(["too short", good])
    assert short.broken is not None
    assert (short.broken.rule_set, short.broken.rule.name, short.broken.value) == ("gopher-2021", "words_min", 2)
    assert (kept.broken, kept.text) == (None, good)


def test_all_rules_are_measured_also_after_a_broken_one():
    found = measure_all("too short", list(RULE_SETS.values()))
    assert [(each.rule_set, each.rule) for each in found] == [(name, rule) for name, s in RULE_SETS.items() for rule in s.rules]
    assert [each.rule.name for each in found if not each.passes] == ["words_min", "stop_words"]


def slow_repetition(words: list[str], n: int) -> tuple[float, float]:
    """(top, duplicate) by marking characters one n-gram at a time."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(grams)
    if not counts or max(counts.values()) == 1:
        return 0.0, 0.0
    best = max(counts, key=lambda gram: (counts[gram], sum(map(len, gram)), -grams.index(gram)))
    top, duplicate = set(), set()
    for i, gram in enumerate(grams):
        if gram == best:
            top.update(range(i, i + n))
        if gram in grams[:i]:
            duplicate.update(range(i, i + n))
    total = sum(map(len, words))
    return sum(len(words[i]) for i in top) / total, sum(len(words[i]) for i in duplicate) / total


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "d"]), max_size=60))
def test_repetition_equals_the_slow_version(words):
    found = ngram_repetition(words)
    assert {n: (found[n].top, found[n].duplicate) for n in found} == {n: slow_repetition(words, n) for n in range(2, 11)}


def test_emphasis_is_no_bullet():
    assert TextStatistics("**NORA.** Hide the tree.\n*softly* Yes.\n---\n-5 degrees\n- item\n  * item").bullet_lines == 2 / 6


def test_indentation_changes_no_repetition():
    text = "some words here\n" * 3 + "and others there\n"
    indented = text.replace("\n", "\n\t\t")
    for rule in RULE_SETS["gopher-2021-repetition"].rules:
        assert value_of(rule, text) == value_of(rule, indented)
