"""The record of a document that is not kept: which rule, the measured value, the threshold."""

from dataclasses import dataclass

_EXCERPT_CHARS = 200


@dataclass(frozen=True)
class Drop:
    """One document that a stage took out."""

    id: str
    source: str
    stage: str
    rule: str
    value: float
    threshold: float
    twin_id: str | None = None
    """The document that this one repeats."""
    excerpt: str = ""
    """Its first characters; for a record that is not text, what is wrong with it."""


def excerpt(text: str) -> str:
    """Return the beginning of `text` on one line."""
    return " ".join(text[: 4 * _EXCERPT_CHARS].split())[:_EXCERPT_CHARS]
