"""What a kind of personal data is to the redactor: a way to find it and words about it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.signs import Sign

Span = tuple[int, int]
"""Start and end of a find, in characters."""


class Finder(ABC):
    """Finds one kind in a text. Made once for many texts; keeps nothing of them."""

    def __init__(self, config: RedactConfig) -> None:
        self._config = config

    @abstractmethod
    def find(self, text: str) -> Iterator[Span]:
        """Yield the finds from left to right, none overlapping another, in time linear in the text."""


def in_order(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans from left to right without those that overlap one before; of two that start together the longer."""
    done = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= done:
            yield start, end
            done = end


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds.

    A text without `sign` holds none of it, so that its finder is not asked. The words go into docs/privacy.md.
    """

    finder: type[Finder]
    sign: Sign
    finds: str
    check: str
    source: str
    passes_over: str


def placeholder(name: str) -> str:
    """Return what stands in the place of a value of the kind: the same for each, so that nothing hangs on order."""
    return f"<{name.upper()}>"
