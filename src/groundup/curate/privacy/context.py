"""The words before a find, which tell a telephone number from an order and an address from a version."""

import re

_CONTEXT_CHARS = 40
_UP_TO_BREAK = re.compile(r"(?s).*(?:[0-9]{2}|[@<>])")


def words_before(text: str, start: int) -> str:
    """Return up to 40 characters before `start`, those after the last number of two digits, '@', '<' or '>'.

    The break keeps one value's label from speaking for the next one, and a placeholder from being a label.
    """
    piece = text[max(0, start - _CONTEXT_CHARS) : start]
    cut = _UP_TO_BREAK.match(piece)
    return piece[cut.end() :] if cut else piece
