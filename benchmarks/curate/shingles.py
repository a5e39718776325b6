"""Exact overlap of two texts, by the sets of their runs of five words.

Words are what white space separates, case aside. Nothing is hashed, so that what is said of a pair hangs on no shortcut of the
code that is measured.
"""

WIDTH = 5
Shingles = set[tuple[str, ...]]


def shingles(text: str) -> Shingles:
    """Return the runs of five words of `text`; a shorter text is one run."""
    words = text.casefold().split()
    width = min(WIDTH, len(words))
    return set(zip(*(words[start:] for start in range(width)), strict=False)) if words else set()


def jaccard(one: Shingles, other: Shingles) -> float:
    """Return the shared runs over all runs of both."""
    shared = len(one & other)
    return shared / max(len(one) + len(other) - shared, 1)


def containment(one: Shingles, other: Shingles) -> float:
    """Return the shared runs over those of the text that has fewer."""
    return len(one & other) / max(min(len(one), len(other)), 1)
