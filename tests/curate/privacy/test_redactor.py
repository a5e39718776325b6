import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.kind import placeholder
from groundup.curate.privacy.redactor import Redaction, Redactor, replaced

REDACTOR = Redactor(RedactConfig())
redact = REDACTOR.redact

FRAGMENTS = [
    "a@b.org", "x.y@c.co.uk", "93.184.216.34", "8.8.8.8", "2606:2800:220::1", "00:1A:2B:3C:4D:5E", "555-123-4567",
    "(555) 123-4567", "+49 30 1234567", "5551234567", "4111 1111 1111 1111", "4111111111111111", "DE89370400440532013000",
    "123-45-6789", "123456789", "AKIAIOSFODNN7EXAMPLE", "api_key = d41d8cd98f00b204e9800998ecf8427e",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "MIIEpAIBAAKCAQEA1234", "<EMAIL>", "<PHONE>", "SSN ",
    "phone ", "call ", "order ", "version ", "ip ", "token: ", " x12", "+1 ", "00", " ", " ", "\n", ".", ":", "-", "--", "@",
    "/", "=", "<", ">", "(", ")", "x", "1", "é", "\u00a0",
]  # fmt: skip
"""Values, halves of values, words that speak for them, and all that may stand between."""
MAX_PASSES = 5


@settings(max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_redacting_again_changes_nothing(text):
    clean, redactions = redact(text)
    assert [clean[found.start : found.end] for found in redactions] == [placeholder(found.kind) for found in redactions]
    assert redact(clean) == (clean, [])


@settings(max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))
def test_few_passes_find_what_replacements_lay_bare(text):
    """Each pass takes time in proportion to the text, so their number must not grow with it."""
    for _ in range(MAX_PASSES):
        found = REDACTOR.find(text)
        text, _ = replaced(text, [], found)
    assert not REDACTOR.find(text)


@pytest.mark.parametrize(
    "unit", ["a@b.org ", "a@b.orgc@d.org", "+493012345678", "phone 5551234567 ", "call 555-0134 SSN 123456789 ", "1.1.1.1:"]
)
def test_passes_do_not_grow_with_the_text(unit):
    def passes(text: str) -> int:
        number = 0
        while found := REDACTOR.find(text):
            text, _ = replaced(text, [], found)
            number += 1
        return number

    assert passes(unit * 20) == passes(unit * 200) <= MAX_PASSES


def test_the_first_kind_of_the_table_wins_where_finds_overlap():
    assert redact("https://me:ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com") == (
        "https://me:<API_KEY>@github.com",
        [Redaction("api_key", 11, 20)],
    )
    assert redact("call 4111 1111 1111 1111")[0] == "call <CARD>"


def test_a_block_of_a_key_that_a_replacement_completes_takes_the_placeholder_with_it():
    text = "-----BEGIN PRIVATE KEY-----\nMIIE\na-----b@c.org\n-----END PRIVATE KEY-----."
    assert redact(text) == ("<API_KEY>.", [Redaction("api_key", 0, 9)])


def test_nothing_hangs_on_the_texts_before():
    texts = ["a@b.org", "none", "from 93.184.216.34", "c@d.org"]
    assert [redact(text) for text in texts] == [Redactor(RedactConfig()).redact(text) for text in texts]


def test_surrogates_and_other_planes():
    assert redact("\ud800 😀 a@b.org 𝟙")[0] == "\ud800 😀 <EMAIL> 𝟙"
