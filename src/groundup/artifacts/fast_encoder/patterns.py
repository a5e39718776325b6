"""A pattern of the library `tokenizers` as one of Python's `re`, which has no classes of Unicode."""

import re
from functools import cache, partial
from typing import Any, Final

from tokenizers import Regex, pre_tokenizers

from groundup.artifacts.fast_encoder.way import UnsuitableError

ASCII: Final = 0x7F
BASIC: Final = 0xFFFF
"""Last of the characters that `re` looks up in a table; classes with those beyond are searched through, range by range."""
_CLASS: Final = re.compile(r"\\p\{(?:L|N|M|Lu|Ll|Lt|Lm|Lo)\}|\\s")
_PART: Final = re.compile(
    r"\[(?P<negated>\^?)(?P<inside>(?:[^\[\]\\&]|\\[rnt]|\\p\{\w+\}|\\s)+)\]|(?P<outside>\\p\{\w+\}|\\[sS])"
    r"|\\[rnt]|[^\\\[\]^$.]"
)
_BEYOND: Final = re.compile(f"[{chr(BASIC + 1)}-\U0010ffff]")
_SURROGATES: Final = range(0xD800, 0xE000)


@cache
def translate(pattern: str, last: int) -> re.Pattern[str]:
    """Return the pattern for texts of characters up to `last`, with classes written out as the engine of `tokenizers` has them.

    Raises UnsuitableError for anything but characters, groups and repetitions that mean the same in both, and the classes of
    letters, numbers, marks and white space.
    """
    place, parts = 0, []
    while place < len(pattern):
        found = _PART.match(pattern, place)
        if found is None:
            raise UnsuitableError(f"the pattern of words has {pattern[place : place + 10]!r}, which Python may read in another way")
        parts.append(_written_out(found, last))
        place = found.end()
    return re.compile("".join(parts))


def _written_out(found: re.Match[str], last: int) -> str:
    if found["outside"] is not None:
        negated, name = ("^", r"\s") if found["outside"] == r"\S" else ("", found["outside"])
        return f"[{negated}{_ranges(name, last)}]"
    if found["inside"] is not None:
        return f"[{found['negated']}{_CLASS.sub(partial(_named_ranges, last=last), found['inside'])}]"
    return found[0]


def _named_ranges(found: re.Match[str], last: int) -> str:
    return _ranges(found[0], last)


@cache
def _ranges(name: str, last: int) -> str:
    """Return the characters of a class, as the inside of a class of `re`."""
    if not _CLASS.fullmatch(name):
        raise UnsuitableError(f"the pattern of words has the class {name}")
    every = "".join(chr(code) for code in range(last + 1) if code not in _SURROGATES)
    runs: Any = pre_tokenizers.Split(Regex(f"{name}+"), behavior="removed", invert=True)
    return "".join(f"{re.escape(run[0])}-{re.escape(run[-1])}" for run, _ in runs.pre_tokenize_str(every))


class WordFinder:
    """Cut texts into words by a pattern, as the library `tokenizers` does."""

    def __init__(self, pattern: str) -> None:
        """Raise UnsuitableError for a pattern that `translate` refuses."""
        self._ascii = translate(pattern, ASCII).findall
        self._basic = translate(pattern, BASIC).findall
        self._engine: Any = pre_tokenizers.Split(Regex(pattern), behavior="isolated")

    def fast(self, text: str) -> list[str] | None:
        """Return the words of the text; None if it has characters beyond BASIC, which the engine finds as fast."""
        if text.isascii():
            return self._ascii(text)
        return None if _BEYOND.search(text) else self._basic(text)

    def words(self, text: str) -> list[str]:
        """Return the words of the text."""
        found = self.fast(text)
        return [word for word, _ in self._engine.pre_tokenize_str(text)] if found is None else found
