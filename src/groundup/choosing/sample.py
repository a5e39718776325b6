"""The part of a text that is learned from, and the part that models are scored on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from groundup.artifacts.documents import Documents
from groundup.artifacts.manifest import MANIFEST
from groundup.core.errors import DataError
from groundup.core.seeds import derive_seed
from groundup.core.units import format_bytes
from groundup.evaluate.pieces import find_texts, read_pieces

MIN_BYTES = 100_000
"""Text of which less says nothing about a model."""
HELD_OUT_SHARE = 0.05
"""Of the text, as far as HELD_OUT_MIN_BYTES and HELD_OUT_MAX_BYTES let it."""
HELD_OUT_MIN_BYTES = 20_000
HELD_OUT_MAX_BYTES = 100_000
LEARNED_BYTES = 32_000_000
"""Of the rest, at most, are tokenizer and word pairs learned from."""
PASSAGE_CHARACTERS = 4096
"""A file is cut at line ends into passages of at least so many, each of which is held out or not as a whole."""
_HASHES = float(1 << 64)


@dataclass(frozen=True)
class Sample:
    """Text in two parts that share no passage."""

    total_bytes: int
    learned: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)

    @property
    def held_out_bytes(self) -> int:
        return sum(len(text.encode()) for text in self.held_out)


def read_sample(path: Path) -> Sample:
    """Return the sample of a file, of a folder of text files, or of what curate made, whose validation split is held out.

    Which passages, or documents, are taken is decided by a hash of their name. Raises DataError for too little text.
    """
    if (path / MANIFEST).is_file():
        documents = Documents.open(path)
        total = _size(document.text for split in ("train", "validation") for document in documents.read(split))
        held_out = [(document.id, document.text) for document in documents.read("validation")]
        learned = ((document.id, document.text) for document in documents.read("train"))
        _check_size(path, total)
        return _sampled(learned, total) if not held_out else _divided(learned, held_out, total)
    sizes = find_texts(path)
    total = sum(sizes.values())
    _check_size(path, total)
    return _sampled(((f"{file}:{number}", text) for file in sizes for number, text in enumerate(_passages(file))), total)


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _check_size(path: Path, total: int) -> None:
    if total < MIN_BYTES:
        raise DataError(
            f"{path}: {format_bytes(total)} of text, of {format_bytes(MIN_BYTES)} at least one can tell something; add text"
        )


def _passages(file: Path) -> Iterator[str]:
    held: list[str] = []
    for piece in read_pieces(file):
        for line in piece.splitlines(keepends=True):
            held.append(line)
            if sum(map(len, held)) >= PASSAGE_CHARACTERS:
                yield "".join(held)
                held = []
    if held:
        yield "".join(held)


def _sampled(passages: Iterable[tuple[str, str]], total: int) -> Sample:
    """Hold out by hash the share that `total` bytes need, and keep at most LEARNED_BYTES of the others."""
    share = min(max(HELD_OUT_SHARE, HELD_OUT_MIN_BYTES / total), HELD_OUT_MAX_BYTES / total)
    sample = Sample(total)
    for name, text in passages:
        place = _place(name)
        if place < share:
            sample.held_out.append(text)
        elif place < share + LEARNED_BYTES / total:
            sample.learned.append(text)
    return _checked(sample)


def _divided(learned: Iterable[tuple[str, str]], held_out: list[tuple[str, str]], total: int) -> Sample:
    """Take of each split that was made already as much as is measured."""
    sample, left = Sample(total), HELD_OUT_MAX_BYTES
    for _, text in sorted(held_out, key=lambda pair: (_place(pair[0]), pair[0])):
        if left > 0:
            sample.held_out.append(text)
            left -= len(text.encode())
    sample.learned.extend(text for name, text in learned if _place(name) < LEARNED_BYTES / total)
    return _checked(sample)


def _checked(sample: Sample) -> Sample:
    if not sample.held_out_bytes or not sample.learned:
        raise DataError(
            f"no part of the text could be held out: it has {len(sample.held_out) + len(sample.learned)} passage(s); "
            f"break its lines (a passage ends at a line end after {PASSAGE_CHARACTERS:,} characters), or give more documents"
        )
    return sample


def _place(name: str) -> float:
    """Return a number from 0 to 1 that only the name decides."""
    return derive_seed(0, "choose", name) / _HASHES
