"""Rules about lines: the text that is left, what is noted of the rest, and what later sets see."""

import pytest

from groundup.curate.rules.judge import Judge
from groundup.curate.rules.lines import Edit, without_lines
from groundup.curate.rules.published import RULE_SETS

PAGE = """Home | News | Contact

The first paragraph has a reference.[1] It has two sentences.
  An indented line ends here as well, [citation needed] it does!
Too short.

Please enable JavaScript in your browser to read this page.
By reading on you agree to our Privacy Policy and so on.

This line trails off into nothing...
"It ends in a quotation mark, which is kept"
"""
FIRST, SECOND = ["c4-jmlr"], ["fineweb-code"]
LEFT = """The first paragraph has a reference. It has two sentences.
An indented line ends here as well,  it does!

"It ends in a quotation mark, which is kept\""""


def test_c4_edits_lines_and_notes_what_it_took():
    (verdict,) = Judge([RULE_SETS["c4-jmlr"]]).judge([PAGE])
    assert verdict.text == LEFT
    assert verdict.broken is None
    assert verdict.edits == [
        Edit("c4-jmlr", "citation_marks", 2, len("[1]") + len("[citation needed]")),
        Edit("c4-jmlr", "line_end_mark", 2, len("Home | News | Contact") + len("This line trails off into nothing...")),
        Edit("c4-jmlr", "line_words", 1, len("Too short.")),
        Edit("c4-jmlr", "line_javascript", 1, len("Please enable JavaScript in your browser to read this page.")),
        Edit("c4-jmlr", "line_policy", 1, len("By reading on you agree to our Privacy Policy and so on.")),
    ]
    assert verdict.bytes_after == {"c4-jmlr": len(LEFT.encode())}


def test_a_text_without_lines_to_edit_is_left_as_it_is():
    text = "  One line is indented here.\n\n\nAnother one stands after two blank lines.  \n\nThe third ends the text here.\n"
    (verdict,) = Judge([RULE_SETS["c4-jmlr"]]).judge([text])
    assert (verdict.text, verdict.broken, verdict.edits, verdict.bytes_after) == (text, None, [], {})


def test_three_sentences_a_page_and_five_words_a_line():
    """A well-known tool has the two numbers swapped."""
    kept, few_sentences, few_words = Judge([RULE_SETS["c4-jmlr"]]).judge(
        [
            "One two three four five. Two. Three.",
            "One two three four five. Two two two.",
            "One two three four five. Two. Three.\nOnly four words here.",
        ]
    )
    assert kept.broken is None
    assert few_sentences.broken is not None
    assert (few_sentences.broken.rule.name, few_sentences.broken.value) == ("sentences_min", 2)
    assert few_words.broken is None
    assert [edit.rule for edit in few_words.edits] == ["line_words"]


def test_a_page_with_a_bracket_is_dropped_also_if_its_line_would_go():
    """In the words of the paper the page goes that contains one; what its lines end with does not matter."""
    (verdict,) = Judge([RULE_SETS["c4-jmlr"]]).judge(["if (enabled) {\n" + "This is one whole sentence of text.\n" * 3])
    assert verdict.broken is not None
    assert (verdict.broken.rule.name, verdict.edits) == ("curly_brackets", [])


def test_a_document_that_loses_all_lines_is_dropped_with_no_text_left():
    (verdict,) = Judge([RULE_SETS["c4-jmlr"], RULE_SETS["gopher-2021"]]).judge(["no mark\nnone here either"])
    assert verdict.broken is not None
    assert (verdict.broken.rule.name, verdict.broken.value, verdict.text) == ("sentences_min", 0, "")


def test_later_sets_see_the_edited_text():
    text = (
        "One sentence is said here twice.\n" * 2
        + "Another sentence of some length is said here only once.\n"
        + "a line without mark\n"
    )
    alone, after = (Judge([RULE_SETS[name] for name in names]).judge([text])[0] for names in (SECOND, [*FIRST, *SECOND]))
    assert alone.broken is not None
    assert after.broken is not None
    assert alone.broken.rule.name == after.broken.rule.name == "duplicate_line_chars"
    assert after.broken.value > alone.broken.value


REFINEDWEB = [
    ("THE WHOLE LINE SHOUTS at you", "line_uppercase", None),
    ("THE line only begins to shout", "", "THE line only begins to shout"),
    ("2021 12", "line_numeric", None),
    ("3 likes", "line_counter", None),
    ("1.2k Views", "line_counter", None),
    ("3 apples", "", "3 apples"),
    ("Home", "line_words", None),
    ("Sign-in to read this article", "start_marks", "to read this article"),
    ("A story of two towns Read more...", "end_marks", "A story of two towns"),
    ("There are 3 items in your cart today", "inner_marks", "There are  today"),
    ("You can read more in the other chapter", "", "You can read more in the other chapter"),
    ("one two three four five six seven eight nine read more", "", "one two three four five six seven eight nine read more"),
]


@pytest.mark.parametrize(("line", "rule", "left"), REFINEDWEB, ids=[line for line, _, _ in REFINEDWEB])
def test_refinedweb_corrects_lines(line, rule, left):
    prose = "it goes on and on " * 50
    (verdict,) = Judge([RULE_SETS["refinedweb"]]).judge([f"{prose}\n\n{line}\n{prose}"])
    assert verdict.text == (f"{prose}\n\n{prose}" if left is None else f"{prose}\n\n{left}\n{prose}")
    assert [edit.rule for edit in verdict.edits] == [rule] * bool(rule)
    assert verdict.broken is None


def test_bytes_are_those_of_utf_8():
    (verdict,) = Judge([RULE_SETS["c4-jmlr"]]).judge(["Grüße – ohne Punkt\nEin Satz. Noch ein Satz. Und der dritte – schön."])
    assert [(edit.count, edit.num_bytes) for edit in verdict.edits] == [(1, len("Grüße – ohne Punkt".encode()))]
    assert verdict.bytes_after == {"c4-jmlr": len(verdict.text.encode())}


def test_one_blank_line_stays_between_lines_that_stay():
    assert without_lines("\n\na\n\n\nb\n \nc\n\nd\n\n", ["", None, "", "e"]) == "a\n\nc\n\ne"
