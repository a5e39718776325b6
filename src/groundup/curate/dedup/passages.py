"""Passages that stand in several documents, or twice in one: found by hash, taken out of all but the first."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundup.curate.dedup.arrays import Columns, open_array, write_array
from groundup.curate.dedup.heads import Records, joined_with_heads
from groundup.curate.dedup.runs import SortedSet, pack
from groundup.curate.dedup.shingles import Shingles, word_runs
from groundup.curate.dedup.words import Hashes, Words, cut_long, read_words

Range = tuple[int, int]
"""Characters of a text: [start, end)."""

_CLOSING = "\"'”’»)\\]」』）》】"
_END = re.compile(rf"[\n.!?…。！？｡](?:(?<!\n)[.!?…。！？｡]*[{_CLOSING}]*)?(\s*)")
_ALWAYS_ENDS = frozenset("\n。！？｡")
_WORD = re.compile(r"\S+")
_WHITE = re.compile(r"\s*")


class Passages(ABC):
    """A kind of passage: some units of a text in a row."""

    width: int
    """Units of a passage."""

    @abstractmethod
    def units(self, text: str) -> list[Range]:
        """Return where the units lie, in order, without white space at their ends."""

    def hashes(self, texts: Sequence[str]) -> Shingles:
        """Return the hash of each passage of each text: passage i begins with unit i. Case and white space do not count."""
        ranges = [self.units(text) for text in texts]
        units = read_words([text[start:end] for text, found in zip(texts, ranges, strict=True) for start, end in found])
        return self._runs(Words(units.keys[:, 0], np.cumsum([0, *map(len, ranges)]), units.keys))

    def _runs(self, units: Words) -> Shingles:
        runs = word_runs(units, self.width)
        is_short = np.diff(units.offsets) < self.width
        lost = np.cumsum([0, *is_short.tolist()])
        return Shingles(np.delete(runs.hashes, runs.offsets[:-1][is_short]), runs.offsets - lost)


class ThreeSentences(Passages):
    """Any three sentences in a row (Raffel et al. 2020, section 2.2).

    A sentence ends at a line end; at . ! ? or an ellipsis, closing quotes and brackets after it included, before white space; at
    their Chinese and Japanese full-width forms anywhere. No language is assumed, so an abbreviation ends a sentence too.
    """

    width = 3

    def units(self, text: str) -> list[Range]:
        found = []
        start = _WHITE.match(text).end()  # type: ignore[union-attr]
        for match in _END.finditer(text, start):
            end, after = match.span(1)
            if end == after < len(text) and _ALWAYS_ENDS.isdisjoint(match.group()):
                continue
            if text[end - 1] == "\n":
                end = start + len(text[start:end].rstrip())
            if start < end:
                found.append((start, end))
            start = after
        return [*found, _stripped(text, start, len(text))] if start < len(text) else found


@dataclass(frozen=True)
class Lines(Passages):
    """Any line of at least so many words: shorter ones, such as headings and brackets, repeat by right."""

    min_words: int = 5
    width = 1

    def units(self, text: str) -> list[Range]:
        found = []
        start = 0
        for line in text.split("\n"):
            if len(line.split(None, self.min_words - 1)) >= self.min_words:
                found.append(_stripped(text, start, start + len(line)))
            start += len(line) + 1
        return found


@dataclass(frozen=True)
class WordWindows(Passages):
    """Any so many words in a row: together they make every repeated passage of that length or more (Lee et al. 2022, 4.1)."""

    width: int = 50

    def units(self, text: str) -> list[Range]:
        found = []
        start = 0
        for piece in cut_long(text):
            found += [(start + match.start(), start + match.end()) for match in _WORD.finditer(piece)]
            start += len(piece)
        return found

    def hashes(self, texts: Sequence[str]) -> Shingles:
        return self._runs(read_words(texts))


def _stripped(text: str, start: int, end: int) -> Range:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def write_passages(folder: Path, passages: Shingles) -> None:
    """Write the passages of a part's documents into `folder`, which exists."""
    write_array(folder / "hashes.npy", passages.hashes)
    write_array(folder / "offsets.npy", passages.offsets)


def write_repeated(
    folders: Sequence[Path], out: Path, width: int, memory_bytes: int, ranks: Columns | None = None, excluded: Hashes | None = None
) -> int:
    """Write (document, number of the passage in it) of each passage that is not the first of its kind, `pack`ed and sorted.

    `folders` hold what `write_passages` wrote, a part each; the first is that by (rank, document, place in it). A passage that
    overlaps the first one itself, as in a text that says one thing over and over, is left. `excluded` are the sorted numbers of
    documents that are dropped: they own nothing and lose nothing. Return how many there are. Memory: as `write_candidates`.
    """
    total = sum(len(open_array(folder / "hashes.npy")) for folder in folders)

    def scan() -> Iterator[Records]:
        return _records(folders, ranks, excluded)

    repeated = SortedSet(out.parent, memory_bytes // 4)
    for later, first in joined_with_heads(scan, total, 1, memory_bytes * 3 // 4):
        repeated.add(later[later - first >= np.uint64(width)])
    return repeated.write(out)


def _records(folders: Sequence[Path], ranks: Columns | None, excluded: Hashes | None) -> Iterator[Records]:
    part_ranks = ranks.parts() if ranks else None
    start = 0
    for folder in folders:
        hashes, offsets = open_array(folder / "hashes.npy"), np.asarray(open_array(folder / "offsets.npy", dtype=np.int64))
        sizes = np.diff(offsets)
        documents = np.repeat(np.arange(start, start + len(sizes), dtype=np.uint64), sizes)
        within = np.arange(len(hashes)) - np.repeat(offsets[:-1], sizes)
        rank = np.repeat(next(part_ranks)[1][0], sizes) if part_ranks else np.zeros(len(hashes), np.uint64)
        records = Records(np.asarray(hashes)[None], rank, pack(documents, within.astype(np.uint64)))
        if excluded is not None:
            records = records.take(~np.isin(documents, excluded[slice(*np.searchsorted(excluded, [start, start + len(sizes)]))]))
        yield records
        start += len(sizes)


@dataclass(frozen=True)
class Cut:
    """A text without some of its passages."""

    text: str
    removed: tuple[Range, ...]
    """What was taken out, in characters of the whole text."""


def without(text: str, passages: Passages, numbers: Iterable[int]) -> Cut:
    """Return the text without the passages of these numbers; of the space around a gap the side with more line ends stays."""
    units = passages.units(text)
    lost = sorted({number + step for number in numbers for step in range(passages.width)})
    ranges: list[Range] = []
    for start, end in (units[unit] for unit in lost):
        if ranges and not text[ranges[-1][1] : start].strip():
            ranges[-1] = ranges[-1][0], end
        else:
            ranges.append((start, end))
    kept, at = "", 0
    for start, end in ranges:
        piece = text[at:start]
        at = _WHITE.match(text, end).end()  # type: ignore[union-attr]
        before, after = piece[len(piece.rstrip()) :], text[end:at]
        kept += piece.rstrip() + max(before, after, key=lambda white: white.count("\n"))
    return Cut((kept + text[at:]).strip() if ranges else text, tuple(ranges))
