"""Cheap signs that a text may hold a kind at all: one search each, most texts show none."""

import re
from collections.abc import Callable

Sign = Callable[[str], object]
"""Returns something true if the sign is there."""


def at_sign(text: str) -> bool:
    """Look for '@'."""
    return "@" in text


three_dotted_numbers: Sign = re.compile(r"\.[0-9]{1,3}\.[0-9]").search
two_colons: Sign = re.compile(r":[0-9A-Fa-f]{0,4}:").search
