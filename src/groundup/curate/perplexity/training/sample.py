"""A sample of text, bounded in bytes, that hangs on the text alone: not on files, ids or their order."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import xxhash

from groundup.artifacts.documents import Document
from groundup.curate.config import SourceConfig
from groundup.curate.normalise import normalise
from groundup.curate.perplexity.pieces import MAX_CHARS
from groundup.curate.sources import SOURCES

PASSAGE_CHARS = 2000
"""The reference is cut into passages of so many characters: a book is many texts."""
_PASSAGE = re.compile(rf"\S(?:.{{0,{PASSAGE_CHARS - 1}}}(?!\S)|\S{{0,{PASSAGE_CHARS - 1}}})", re.DOTALL)
_SLACK = 1.25
_RANGE = 2.0**32


@dataclass
class Sample:
    """The texts with the lowest hashes, as many as there is room for; equal ones count once."""

    seed: int
    max_bytes: int
    documents: int = 0
    """That were read."""
    unread: int = 0
    """Records that were no text."""
    _texts: dict[int, str] = field(default_factory=dict)
    _num_bytes: int = 0

    def read(self, sources: Iterable[SourceConfig], cut: bool) -> None:
        """Add the documents of the sources, cut into passages if asked; of each, the first `MAX_CHARS` characters if not."""
        for config in sources:
            for found in SOURCES[config.kind](config).documents():
                if not isinstance(found, Document):
                    self.unread += 1
                    continue
                self.documents += 1
                text = normalise(found.text)
                for piece in passages(text) if cut else [text[:MAX_CHARS]]:
                    self.add(piece)

    def add(self, text: str) -> None:
        """Take the text if its hash is low enough."""
        key = xxhash.xxh3_64_intdigest(text.encode(), seed=self.seed)
        if text.strip() and key not in self._texts:
            self._texts[key] = text
            self._num_bytes += len(text.encode())
            if self._num_bytes > _SLACK * self.max_bytes:
                self._shrink()

    def _shrink(self) -> None:
        kept: dict[int, str] = {}
        size = 0
        for key in sorted(self._texts):
            size += len(self._texts[key].encode())
            if size > self.max_bytes and kept:
                break
            kept[key] = self._texts[key]
        self._texts = kept
        self._num_bytes = sum(len(text.encode()) for text in kept.values())

    def texts(self) -> list[str]:
        """Return the sample, by hash."""
        self._shrink()
        return [self._texts[key] for key in sorted(self._texts)]

    def divided(self, held_out: float) -> tuple[list[str], list[str]]:
        """Return the texts to learn from, and a share that is held out, which hangs on other bits of the hashes."""
        self._shrink()
        limit = held_out * _RANGE
        both: tuple[list[str], list[str]] = ([], [])
        for key in sorted(self._texts):
            both[(key & 0xFFFFFFFF) < limit].append(self._texts[key])
        return both


def passages(text: str) -> Iterator[str]:
    """Yield the text in passages of at most `PASSAGE_CHARS` characters, cut where white space stands, if any does."""
    return (found.group() for found in _PASSAGE.finditer(text))
