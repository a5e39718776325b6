"""Terms of groups found whole, and what a choice of documents does to them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError
from groundup.curate.groups.tally import GroupFinder, GroupTally, read_terms, shipped_terms
from groundup.curate.groups.terms import Terms, words_of

TERMS = {"greek": ["alpha", "beta gamma", "Beta"], "other": ["gamma", "naïve", "STRASSE", "हिन्दी"]}


@pytest.mark.parametrize(
    ("text", "greek", "other"),
    [
        ("Alpha, ALPHA; alphabet", 2, 0),
        ("beta  gamma", 1, 0),
        ("beta, then gamma", 1, 1),
        ("beta-gamma", 1, 0),
        ("Straße straße", 0, 2),
        ("nai\u0308ve na\u00efve naïvely", 0, 2),
        ("हिन्दी।", 0, 1),
        ("हिन्दीय", 0, 0),
        ("", 0, 0),
    ],
)
def test_whole_words_in_any_case(text, greek, other):
    found = Terms(TERMS).count(words_of(text))
    assert (found["greek"], found["other"]) == (greek, other)


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "Beta,", "alpha."]), max_size=30))
def test_counts_are_those_of_an_expression(words):
    """Against alternation in a regular expression, longest first."""
    text = " ".join(words)
    expected = re.findall(r"\b(?:beta[ ,.]+gamma|alpha|beta|gamma)\b", text.lower())
    assert Terms(TERMS).count(words_of(text)).total() == len(expected)


def test_tally_says_what_a_choice_does():
    """Of four documents with a group one is kept, of four others three: half the rate of all."""
    finder = GroupFinder({"axis": {"a": ["alpha"], "b": ["beta"]}})
    parts = [GroupTally(), GroupTally()]
    for number in range(8):
        has = number < 4
        parts[number % 2].add(finder.find("an alpha here" if has else "none"), kept=number in (0, 5, 6, 7))
    parts[0].merge(parts[1])
    assert parts[0].to_json(finder.names) == {
        "axis/a": {"documents_before": 4, "documents_after": 1, "kept": 0.25, "kept_over_all": 0.5},
        "axis/b": {"documents_before": 0, "documents_after": 0},
    }


def test_shipped_terms_are_each_of_one_group():
    groups = [
        (words, axis, group) for axis, groups in shipped_terms().items() for group, terms in groups.items() for words in terms
    ]
    seen = [tuple(words_of(words)) for words, _, _ in groups]
    assert len(set(seen)) == len(seen) > 100
    assert GroupFinder(shipped_terms()).find("The women of the church") == {"gender/women", "religion/christian"}


def test_terms_of_ones_own_stand_beside_the_shipped(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text("trade: {bakers: [baker, bakers]}\nage: {old: [greybeard]}\n")
    assert GroupFinder(read_terms(path)).find("A greybeard baker and a pensioner") == {"age/old", "trade/bakers"}


@pytest.mark.parametrize("content", ["- a\n", "a: b\n", "a: {b: c}\n", "a: {b: [1]}\n", "a: {b: ['...']}\n", "{", "a: {b: [x\n"])
def test_a_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "terms.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=r"terms\.yaml"):
        read_terms(path)
