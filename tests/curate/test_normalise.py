import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from groundup.curate.normalise import normalise

TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\t \x00\ufeff\x85e\u0301"))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("cafe\u0301", "café"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x00\x07b\x1b[0m\tc", "ab[0m\tc"),
        ("a  \t\nb ", "a\nb"),
        ("\n\na\n\n\n\n\nb\n\n", "a\n\nb"),
        ("\ufeffa", "a"),
        ("  indented\n    more", "  indented\n    more"),
        ("e\x00\u0301", "é"),
    ],
)
def test_cases(raw, clean):
    assert normalise(raw) == clean


@given(TEXT)
@example("\n\x00\ufeff\n a \n \n")
def test_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


@given(TEXT)
def test_no_letter_is_lost(text):
    def letters(value: str) -> str:
        return "".join(c for c in unicodedata.normalize("NFC", value) if c.isalpha())

    without_controls = "".join(c for c in text if unicodedata.category(c) != "Cc" and c != "\ufeff")
    assert letters(normalise(text)) == letters(without_controls)


def test_long_runs_of_spaces_inside_a_line_stay_and_cost_no_more_than_their_length():
    text = "a" + " " * 1_000_000 + "b"  # hours, if each space were tried as the first of the run
    assert normalise(text) == text
