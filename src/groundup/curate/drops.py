"""The record of a document that is not kept: which rule, the measured value, the threshold."""

from dataclasses import dataclass

from groundup.curate.privacy.redactor import Redactor

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
    """Return the beginning of `text` on one line, twice as long as is shown: redaction must not see a value cut in two."""
    return " ".join(text[: 4 * _EXCERPT_CHARS].split())[: 2 * _EXCERPT_CHARS]


def shown(beginning: str, redactor: Redactor | None) -> str:
    """Return what a table or page shows of an excerpt: redacted if texts are, then cut to 200 characters."""
    return (redactor.redact(beginning)[0] if redactor else beginning)[:_EXCERPT_CHARS]
