"""Numbers of payment cards."""

import re
from collections.abc import Iterator

from groundup.curate.privacy.digits import digits_of
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import Finder, Span

_CARD = re.compile(
    r"[2-689](?<![\w/].)(?<![0-9][.-].)[0-9]{3}(?:[0-9]{9,15}|"
    r"(?P<by>[ \u00a0-])(?:[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{1,4}(?:(?P<more>(?P=by)[0-9]{1,3})(?!\w))?|"
    r"[0-9]{6}(?P=by)[0-9]{4,5}))(?!\w|[.-][0-9])"
)
_DOUBLED = str.maketrans("0123456789", "0246813579")
_NEXT_GROUP = re.compile(r"[ \u00a0-][0-9]{4}(?![\w/-])")
_GROUP_BEFORE = re.compile(r"(?<![\w/-])(?:[A-Z]{2}[0-9]{2}(?:[ \u00a0-][A-Z0-9]{4})?|[0-9]{4})[ \u00a0-]\Z")
_BEFORE_CHARS = 11


class Cards(Finder):
    """Finds 13 to 19 digits, in a row or in groups of 4-4-4-4(-3), 4-6-5 or 4-6-4, of a known network with a right check digit.

    Groups that go on before or after, as in a table of numbers or an IBAN, are no card.
    """

    def find(self, text: str) -> Iterator[Span]:
        for match in _CARD.finditer(text):
            end = match.end()
            if match["by"] and (
                _NEXT_GROUP.match(text, end) or _GROUP_BEFORE.search(text, max(0, match.start() - _BEFORE_CHARS), match.start())
            ):
                continue
            if is_card(digits_of(match[0])):
                yield match.start(), end
            elif match["more"] and is_card(digits_of(text[match.start() : match.start("more")])):
                yield match.start(), match.start("more")


def is_card(number: str) -> bool:
    """Return whether the digits have a network's first digits and length and pass the check of Luhn (ISO/IEC 7812-1, annex B)."""
    return _has_issuer(number) and _luhn(number)


def _luhn(number: str) -> bool:
    backwards = number[::-1]
    return sum(map(int, backwards[::2] + backwards[1::2].translate(_DOUBLED))) % 10 == 0


def _issuers() -> dict[int, list[tuple[int, int, frozenset[int]]]]:
    """Return by number of first digits: the lowest, the highest, lengths."""
    table: dict[int, list[tuple[int, int, frozenset[int]]]] = {}
    for row in FACTS["cards"]:
        table.setdefault(len(str(row["from"])), []).append((row["from"], row["to"], frozenset(row["lengths"])))
    return table


_ISSUERS = _issuers()


def _has_issuer(number: str) -> bool:
    return any(
        low <= int(number[:count]) <= high and len(number) in lengths
        for count, ranges in _ISSUERS.items()
        for low, high, lengths in ranges
    )
