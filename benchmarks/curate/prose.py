"""Clean prose: documents cut from the user's text while it lasts, then new ones recombined from its words."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

TARGET_CHARS = (700, 2_300)
"""A document ends at the first paragraph border past a length drawn from here: 1.5 kB on average."""
MIN_CHARS = 500
MAX_SEEN = 0.2
"""Part of a document's shingles that may stand in documents before it: no two documents come near each other by accident."""
_LONG_PARAGRAPH = 1_200
_BLANK_LINE = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_PRIVATE = re.compile(r"@|https?:|\d[\d() .-]{6,}\d|\d+\.\d+\.\d+|[A-Z]{2}\d{2} ?\d{4}")
"""What might be taken for an address or a number of a person: only planted ones are wanted."""
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63], np.uint64
)


class Seen:
    """The shingles of all documents so far, as bits of a table; one that only seems seen makes the check stricter."""

    def __init__(self, expected_bytes: int) -> None:
        self._shift = np.uint64(64 - min(max(int(expected_bytes * 6).bit_length(), 20), 32))
        self._bits = np.zeros(1 << (61 - int(self._shift)), np.uint8)
        self._numbers: dict[str, int] = {}

    def takes(self, text: str) -> bool:
        """Note the shingles of `text` and return True, unless too many of them were seen."""
        numbers = self._numbers
        ids = np.array([numbers.setdefault(word, len(numbers)) for word in text.casefold().split()], np.uint64)
        if len(ids) < len(_MULTIPLIERS):
            return False
        mixed = np.zeros(len(ids) - len(_MULTIPLIERS) + 1, np.uint64)
        for offset, multiplier in enumerate(_MULTIPLIERS):
            mixed = (mixed ^ (ids[offset : offset + len(mixed)] + np.uint64(1))) * multiplier
            mixed ^= mixed >> np.uint64(29)
        places = np.unique((mixed * _MULTIPLIERS[0]) >> self._shift)
        masks = (np.uint64(1) << (places & np.uint64(7))).astype(np.uint8)
        at = (places >> np.uint64(3)).astype(np.int64)
        if np.count_nonzero(self._bits[at] & masks) > MAX_SEEN * len(places):
            return False
        np.bitwise_or.at(self._bits, at, masks)
        return True


class Prose:
    """Gives documents that share no long runs of words with those given before; the same for the same files and seed."""

    def __init__(self, folders: list[Path], seed: int, expected_bytes: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._seen = Seen(expected_bytes)
        pieces = [piece for folder in folders for piece in _pieces(folder, self._rng)]
        if not pieces:
            raise SystemExit(f"no prose in {', '.join(map(str, folders))}: give folders with .txt, .md or .jsonl")
        self._pieces = [pieces[place] for place in self._rng.permutation(len(pieces))]
        self._words, self._flat = _vocabulary(pieces)
        self.num_local = self.num_recombined = 0

    def document(self) -> tuple[str, str]:
        """Return the next document and where it is from: the folder of the user's text, or 'recombined'."""
        while self._pieces:
            text, origin = self._pieces.pop()
            if self._seen.takes(text):
                self.num_local += 1
                return text, origin
        while True:
            text = self.fresh(int(self._rng.integers(120, 380)))
            if self._seen.takes(text):
                self.num_recombined += 1
                return text, "recombined"

    def words(self, number: int) -> list[str]:
        """Return so many words in phrases of two to four of the text: any five of them span phrases put together by chance."""
        lengths = self._rng.integers(2, 5, number // 2 + 1)
        starts = self._rng.integers(0, len(self._flat) - 4, len(lengths))
        ends = np.cumsum(lengths)
        inside = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        chosen = self._flat[(np.repeat(starts, lengths) + inside)[:number]]
        vocabulary = self._words
        return [vocabulary[word] for word in chosen.tolist()]

    def sentence(self, number: int | None = None) -> str:
        """Return one sentence of so many words, by default of 8 to 24."""
        number = number or int(self._rng.integers(8, 25))
        return " ".join(self.words(number)).capitalize() + "."

    def fresh(self, num_words: int) -> str:
        """Return paragraphs of sentences of altogether so many recombined words."""
        words = self.words(num_words)
        lengths = self._rng.integers(8, 25, num_words // 8 + 1).tolist()
        breaks = self._rng.random(len(lengths)).tolist()
        parts, start = [], 0
        for length, at in zip(lengths, breaks, strict=True):
            if start >= num_words:
                break
            parts += [" ".join(words[start : start + length]).capitalize(), ".\n\n" if at < 0.2 else ". "]
            start += length
        return "".join(parts).rstrip()


def _pieces(folder: Path, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield documents cut from the files of a folder, with the folder's name."""
    for file in sorted(path for path in folder.rglob("*") if path.suffix in {".txt", ".md", ".jsonl"}):
        for text in _texts(file):
            for piece in cut(text, rng):
                yield piece, folder.name


def _texts(file: Path) -> Iterator[str]:
    if file.suffix != ".jsonl":
        yield file.read_text(errors="ignore")
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield max((value for value in json.loads(line).values() if isinstance(value, str)), key=len, default="")


def cut(text: str, rng: np.random.Generator) -> Iterator[str]:
    """Yield runs of whole paragraphs of about 1.5 kB; headings, rules and what looks private are left out."""
    kept: list[str] = []
    size, target = 0, rng.integers(*TARGET_CHARS)
    for paragraph in _paragraphs(text):
        kept.append(paragraph)
        size += len(paragraph) + 2
        if size >= target:
            yield "\n\n".join(kept)
            kept, size, target = [], 0, rng.integers(*TARGET_CHARS)
    if size >= MIN_CHARS:
        yield "\n\n".join(kept)


def _paragraphs(text: str) -> Iterator[str]:
    for block in _BLANK_LINE.split(text):
        paragraph = block.strip()
        if not paragraph or paragraph.startswith(("#", "---")) or _PRIVATE.search(paragraph):
            continue
        if len(paragraph) <= _LONG_PARAGRAPH:
            yield paragraph
            continue
        part = ""
        for sentence in _SENTENCE_END.split(paragraph):
            part = f"{part} {sentence}".strip()
            if len(part) >= _LONG_PARAGRAPH // 2:
                yield part
                part = ""
        if part:
            yield part


def _vocabulary(pieces: list[tuple[str, str]]) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return the different words of the documents, and all their words in order as places in that list."""
    numbers: dict[str, int] = {}
    arrays = []
    for text, _ in pieces:
        found = [numbers.setdefault(word, len(numbers)) for word in _WORD.findall(text.lower())]
        arrays.append(np.array(found, np.int32))
    return list(numbers), np.concatenate(arrays)
