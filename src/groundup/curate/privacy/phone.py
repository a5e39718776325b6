"""Telephone numbers: international, of North America, and any that a word names."""

import re
from collections.abc import Iterator
from itertools import chain

from groundup.curate.privacy.context import words_before
from groundup.curate.privacy.digits import DASH, SPACE, digits_of, goes_on, starts_inside
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import Finder, Span, in_order

_JOIN = rf"{SPACE}?(?:[./()]|{DASH}){{0,2}}{SPACE}?"
_EXTENSION = rf"(?:,?{SPACE}?(?:x|ext\.?|extension){SPACE}?[0-9]{{1,5}}(?![0-9]))?"
_END = r"(?!\w|[.\u2013-]\(?[0-9])"
_INTERNATIONAL = re.compile(
    rf"[+\uff0b](?<![^\W0-9].)(?<!\+.)(?P<number>\(?[0-9](?:{_JOIN}[0-9]){{6,14}})(?![0-9]){_EXTENSION}(?!\w)", re.IGNORECASE
)
_ZEROS = re.compile(
    rf"00(?<![\w.,/+-]00){_JOIN}(?P<number>(?!0)[0-9](?:{_JOIN}[0-9]){{6,14}})(?![0-9]){_EXTENSION}(?!\w)", re.IGNORECASE
)
_NORTH_AMERICAN = re.compile(
    rf"[(0-9](?:(?<=\()|(?<!\w.))(?<![0-9][.-].)"
    rf"(?:(?<=1)(?P<one>[ .-]{{1,2}})\(?[0-9]{{3}}|(?<=\()[0-9]{{3}}(?=\))|(?<!\()[0-9]{{2}})"
    rf"(?P<by>\){SPACE}?{DASH}?{SPACE}?|{SPACE}?{DASH}{SPACE}?|[./]|{SPACE})"
    rf"[0-9]{{3}}(?P<then>{SPACE}?{DASH}{SPACE}?|[.]|{SPACE}|(?<=\)...)|(?<=\)....))[0-9]{{4}}{_EXTENSION}{_END}",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    rf"[(0-9](?:(?<=\()|(?<!\w.))(?<![0-9][ ./-].)(?:{_JOIN}[0-9]){{6,14}}(?![0-9]){_EXTENSION}{_END}", re.IGNORECASE
)
_UP_TO_NUMBER = r"\b[^\w(+]{0,3}(?:\w+[^\w(+]{1,3}){0,3}\(?\Z"
_LABEL = re.compile(
    r"(?:\b(?:(?:tele)?(?:phones?|fax|fon)|tel[eé]?(?:fono?s?|foon|fax)?|t[eé]l[eé]phone|mobile?|mob|cell(?:phone|ular)?|ph|m[oó]vil|"
    r"celular|hot-?line|help-?line|toll[- ]free|whatsapp|sms|rufnummer)"
    + _UP_TO_NUMBER
    + r"|[\u260e\u260f\U0001f4de\U0001f4f1]\s*\Z)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:call(?:ed|ing)?|dial(?:l?ed|l?ing)?|text(?:ed|ing)?|ring|rang|reach(?:ed|able)?)" + _UP_TO_NUMBER, re.IGNORECASE
)
_VERB_SHAPE = re.compile(rf"0|[0-9]{{10,11}}(?!{_JOIN}[0-9])|[0-9]{{3}}(?:\.|{DASH})[0-9]{{4}}(?!{_JOIN}[0-9])")
_OTHER_NUMBER = re.compile(
    r"\b(?:orders?|invoices?|isbn|issn|ref(?:erence)?|ticket|case|serial|part|model|item|sku|parcel|tracking|account|acct|patent|"
    r"article|batch|lot|id|no|nr|doi|pmid|customer|policy|licen[cs]e|card|routing)\b[^\w(+]{0,3}\Z",
    re.IGNORECASE,
)
_WHOLE_CODES = frozenset(map(str, FACTS["calling_codes"]["whole"]))
_CODES_OF_THREE = frozenset(map(str, FACTS["calling_codes"]["of_three"]))
_FIRST_GROUP = re.compile(r"\(?([0-9]{1,3})(?![0-9])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?![0-9])")
_MIN_DIGITS = 7
_MIN_DIGITS_AFTER_ZEROS = 9
_MIN_DIGITS_BY_POINT = 10
_NANP_DIGITS = 11


class Phones(Finder):
    """Finds three writings: +/00 with a country's code, 3-3-4 digits of North America, and digits that a word calls a number."""

    def find(self, text: str) -> Iterator[Span]:
        return in_order(chain(_international(text), _north_american(text), _labelled(text)))


def _international(text: str) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text):
        number, start = match["number"], match.start()
        if _has_country(number) and not _is_decimal(number) and not _DATE.match(number):
            closes_before = number.find(")") < (number.find("(") if "(" in number else len(number))
            yield start - (text[start - 1 : start] == "(" and ")" in number and closes_before), _end(match)
    for match in _ZEROS.finditer(text):
        number, start = match["number"], match.start()
        in_a_row = match[0].isdigit()
        is_number = len(digits_of(number)) >= _MIN_DIGITS_AFTER_ZEROS and _has_country(number)
        part_of_more = not in_a_row and (starts_inside(text, start) or goes_on(text, match.end()))
        if is_number and not part_of_more and not _is_called_else(text, start):
            yield start, _end(match)


def _is_called_else(text: str, start: int) -> bool:
    """Return whether the words before call the number something else than a telephone's."""
    words = words_before(text, start)
    return _OTHER_NUMBER.search(words) is not None and not _LABEL.search(words)


def _has_country(number: str) -> bool:
    """Return whether the number can be one of E.164: a code that is given out, 7 to 15 digits, 11 with the code 1.

    A first group of one to three digits is the code itself.
    """
    digits = digits_of(number)
    first = _FIRST_GROUP.match(number)
    if first and not _is_code(first[1]):
        return False
    if digits[0] == "1":
        return len(digits) == _NANP_DIGITS or (len(digits) > _NANP_DIGITS and _nanp_end(number) is not None)
    return len(digits) >= _MIN_DIGITS and any(_is_code(digits[:length]) for length in (1, 2, 3))


def _is_code(digits: str) -> bool:
    return digits in _WHOLE_CODES or (len(digits) == 3 and digits[:2] in _CODES_OF_THREE)


def _is_decimal(number: str) -> bool:
    """Return whether a point is all that parts the digits, but for a country's code and ten in all (`+49.301234567`)."""
    whole, point, rest = number.partition(".")
    return bool(point) and rest.isdigit() and not (_is_code(whole) and len(whole + rest) >= _MIN_DIGITS_BY_POINT)


def _nanp_end(number: str) -> int | None:
    """Return where the 11th digit ends if a group ends there."""
    places = [place for place, sign in enumerate(number) if sign.isdigit()]
    end = places[_NANP_DIGITS - 1] + 1
    return None if places[_NANP_DIGITS] == end else end


def _end(match: re.Match[str]) -> int:
    """Return where the number ends: with the code 1 after 11 digits."""
    digits = digits_of(match["number"])
    if digits[0] != "1" or len(digits) == _NANP_DIGITS:
        return match.end()
    return match.start("number") + (_nanp_end(match["number"]) or 0)


def _north_american(text: str) -> Iterator[Span]:
    for match in _NORTH_AMERICAN.finditer(text):
        start, by, then = match.start(), match["by"], match["then"]
        if ("(" in match[0]) != (")" in by):
            continue
        by_dashes = bool(by.strip() and then.strip()) and by.strip() not in "./"
        if starts_inside(text, start) and (not by_dashes or text[start - 1] in ".-"):
            continue
        if _is_called_else(text, start):
            continue
        if ")" in by or by_dashes or _is_likely(match) or _is_named(text, match):
            yield match.span()


def _is_named(text: str, match: re.Match[str]) -> bool:
    """Return whether the words before call the number a telephone's, or speak of calling and the number has the look of one."""
    words = words_before(text, match.start())
    return bool(_LABEL.search(words) or (_VERB_SHAPE.match(match[0]) and _VERB.search(words)))


def _is_likely(match: re.Match[str]) -> bool:
    """Return whether area and exchange can be ones (they begin with 2 to 9) and no other number follows."""
    digits = digits_of(match[0])
    area, exchange = (digits[1:4], digits[4:7]) if match["one"] else (digits[:3], digits[3:6])
    by_signs = match["by"] in "./"
    return area[0] >= "2" and (by_signs or exchange[0] >= "2") and not goes_on(match.string, match.end())


def _labelled(text: str) -> Iterator[Span]:
    for match in _LABELLED.finditer(text):
        is_fraction = match[0][1] == "."
        if not is_fraction and _is_named(text, match):
            yield match.span()
