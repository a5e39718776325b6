"""International bank account numbers."""

import re
from collections.abc import Iterator
from functools import cache

from groundup.curate.privacy.digits import SPACE
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import Finder, Span

_START = re.compile(r"[0-9](?<=[A-Za-z]{2}.)(?<![^\W_][A-Za-z]{2}.)[0-9](?=[ \u00a0\u2009\u202f-]?[A-Za-z0-9]{4})")
_LENGTHS: dict[str, int] = FACTS["iban_lengths"]
_SEPARATORS = re.compile(rf"{SPACE}|-")


class Ibans(Finder):
    """Finds a country, two check digits and the rest in that country's length, in a row or in groups, right modulo 97."""

    def find(self, text: str) -> Iterator[Span]:
        done = 0
        for start_of_check in _START.finditer(text):
            start = start_of_check.start() - 2
            length = _LENGTHS.get(text[start : start + 2].upper())
            match = _rest(length - 4).match(text, start_of_check.end()) if length and start >= done else None
            if match and is_iban(_SEPARATORS.sub("", text[start : match.end()])):
                done = match.end()
                yield start, done


@cache
def _rest(length: int) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{SPACE}|-)?[A-Za-z0-9]){{{length}}}(?![^\W_])")


def is_iban(number: str) -> bool:
    """Return whether the remainder modulo 97 is 1, the country moved to the end and letters read as 10 to 35 (ISO 7064)."""
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1
