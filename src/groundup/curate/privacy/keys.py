"""Keys, tokens and other secrets of software."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import Finder, Span, in_order
from groundup.curate.privacy.signs import any_word

_BLOCK_SIGN = "-----BEGIN"
_BEARER_SIGN = "Bearer"
_BLOCK = re.compile(
    r"-----BEGIN (?P<of>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:(?:[^-]|-(?!----))*+-----END (?P=of)-----|(?:(?:\s|\\[nr])*+[A-Za-z0-9+/=]{16,}+)++)"
)
_VALUE = r"[\"'`]?(?P<value>[A-Za-z0-9_+-][A-Za-z0-9_+/.~-]{15,511}+={0,2})(?![\w/+.~(\[-])"
_ASSIGNED = tuple(re.compile(sign + r">?\s{0,2}" + _VALUE) for sign in ":=")
_BEARER = re.compile(r"Bearer\s{1,2}" + _VALUE)
_NAME = re.compile(
    r"(?:(?:api|access|auth|secret|private|client|app|account|encryption|signing|master|service|session|refresh)"
    r"[_ .-]?(?:key|token|secret|auth|pass)|secret|token|passw(?:or)?d|passphrase|pwd|credential|authorization)"
    r"[A-Za-z0-9_]{0,20}[\"'`\s\])]{0,3}(?::\s?\w{1,10}\s?)?\Z",
    re.IGNORECASE,
)
_NAME_CHARS = 60
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
_MIN_BITS_HEXADECIMAL = 2.7
_MIN_BITS = 3.3
_MIN_NUM_DIGITS = 2
_MIN_SHARE_OF_CASE = 0.2


class Keys(Finder):
    """Finds keys by the shapes that their makers publish, blocks of private keys, and values that look random under a name.

    Each shape has letters that stand in all its keys; a text without them is not searched.
    """

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        self._shapes = [(row["sign"], _alone(row["shape"])) for row in FACTS["key_shapes"]]
        self._signs = any_word([_BLOCK_SIGN, _BEARER_SIGN, *(sign for sign, _ in self._shapes)])

    def find(self, text: str) -> Iterator[Span]:
        spans = [match.span("value") for by in _ASSIGNED for match in by.finditer(text) if _names_a_secret(match)]
        if any(sign(text) for sign in self._signs):
            spans += [match.span() for sign, shape in self._shapes if sign in text for match in shape.finditer(text)]
            if _BLOCK_SIGN in text:
                spans += [match.span() for match in _BLOCK.finditer(text)]
            if _BEARER_SIGN in text:
                spans += [match.span("value") for match in _BEARER.finditer(text) if looks_random(match["value"])]
        return in_order(spans) if spans else iter(())


def _alone(shape: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9])(?:{shape})(?![A-Za-z0-9])")


def _names_a_secret(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - _NAME_CHARS) : match.start()]
    return _NAME.search(before) is not None and looks_random(match["value"])


def looks_random(value: str) -> bool:
    """Return whether the value is no word and no name in code.

    The entropy of its own letters (Shannon 1948) is at least 2.7 bits for hexadecimal, of 4 that are possible, else 3.3; and
    it has two digits, or a fifth of capitals and a fifth of small letters: names have fewer.
    """
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())
    if _HEXADECIMAL.fullmatch(value):
        return bits >= _MIN_BITS_HEXADECIMAL
    digits, upper, lower = (sum(map(of, value)) for of in (str.isdigit, str.isupper, str.islower))
    return bits >= _MIN_BITS and (digits >= _MIN_NUM_DIGITS or min(upper, lower) >= _MIN_SHARE_OF_CASE * len(value))
