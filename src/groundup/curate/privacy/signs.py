"""Cheap signs that a text may hold a kind at all: a search or two for one letter, which most texts end at once."""

import re
from collections.abc import Callable

Sign = Callable[[str], object]
"""Returns something true if the sign is there."""

_ALL_BUT_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_MIN_DIGITS = 7
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z\n]{0,4}[0-9]){6}")
_BYTES_BY_COLONS = re.compile(r":[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:")
_BYTES_BY_HYPHENS = re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
_RARE_FIRST = "_KJXZz-:G9xB.S/"
"""Letters that few words hold, those of keys; a search for one costs half of that for a word."""


def any_text(text: str) -> bool:
    """Let every text pass: the finder has signs of its own."""
    return True


def at_sign(text: str) -> bool:
    """Look for '@'."""
    return "@" in text


def many_digits(text: str) -> bool:
    """Count digits: no number that names somebody has fewer than seven."""
    return len(text.encode(errors="surrogatepass").translate(None, _ALL_BUT_DIGITS)) >= _MIN_DIGITS


def seven_digits(text: str) -> object:
    """Look for seven digits with no letters or line ends between."""
    return many_digits(text) and _SEVEN_DIGITS.search(text)


def bytes_in_hexadecimal(text: str) -> object:
    """Look for two bytes between colons or hyphens."""
    return _BYTES_BY_COLONS.search(text) or _BYTES_BY_HYPHENS.search(text)


a_digit: Sign = re.compile(r"[0-9]").search
three_dotted_numbers: Sign = re.compile(r"\.[0-9]{1,3}\.[0-9]").search
two_colons: Sign = re.compile(r":[0-9A-Fa-f]{0,4}:").search


def any_word(words: list[str]) -> list[Sign]:
    """Return searches of which one succeeds if, and only if, one of the words is in the text.

    Words that hold the same rare letter share a search that stops only at that letter.
    """
    groups: dict[str, list[str]] = {}
    for word in words:
        anchor = next((letter for letter in _RARE_FIRST if letter in word), word[0])
        before, _, after = word.partition(anchor)
        groups.setdefault(anchor, []).append(f"(?<={re.escape(before + anchor)}){re.escape(after)}")
    return [re.compile(f"{re.escape(anchor)}(?:{'|'.join(rests)})").search for anchor, rests in groups.items()]
