"""Numbers in groups: what stands between the digits of one number, what may not stand beside it."""

import re

SPACE = "[ \u00a0\u2009\u202f]"
"""A space, also one that does not break or is thin."""
DASH = "[-\u2010\u2011\u2012\u2013]"
_NO_DIGIT = re.compile(r"[^0-9]+")


def digits_of(text: str) -> str:
    """Return the digits of a number without what groups them."""
    return _NO_DIGIT.sub("", text)


def starts_inside(text: str, start: int) -> bool:
    """Return whether what begins at `start` goes on from a number before: a digit, then a dot, dash or space."""
    return start > 1 and text[start - 1] in " \u00a0.-\u2013" and text[start - 2].isdigit()


def goes_on(text: str, end: int) -> bool:
    """Return whether a space and another number follow."""
    return text[end : end + 1] in (" ", "\u00a0") and text[end + 1 : end + 2].isdigit()
