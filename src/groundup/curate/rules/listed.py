"""A list of words and phrases that texts are searched for."""

import re
from dataclasses import dataclass
from functools import cached_property

_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Listed:
    """Words and phrases in lower case; found in any case where no letter stands directly before or behind."""

    entries: frozenset[str]

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(entry for entry in self.entries if _LETTERS.fullmatch(entry))

    @cached_property
    def _others(self) -> re.Pattern[str] | None:
        """Phrases, and words with other characters than letters."""
        others = sorted(self.entries - self._words, key=lambda entry: (-len(entry), entry))
        inner = "|".join(r"\s+".join(map(re.escape, entry.split())) for entry in others)
        return re.compile(rf"(?<![^\W\d_])(?:{inner})(?![^\W\d_])") if others else None

    def count(self, text: str) -> int:
        """Return how often an entry stands in the text; of those that overlap and are no single words, the first and longest."""
        lowered = text.lower()
        words = sum(map(self._words.__contains__, _LETTERS.findall(lowered)))
        return words + (len(self._others.findall(lowered)) if self._others else 0)


NOTHING_LISTED = Listed(frozenset())
