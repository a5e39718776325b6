"""Parts: what one worker reads at a time, cut from files in a way that hangs on the files alone."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.core.files import storage_errors, write_json

PART_BYTES = 16 << 20
"""Of text in a part, about: a second of work, so that a kill loses little and every worker has some."""
PACKED_RATIO = 3
"""Text is taken to be so many times its compressed file (gzip, zstd, Parquet), until the file is opened."""
_FILE_BYTES = 4 << 10
"""A file counts as at least so many bytes: opening it takes the time of reading them."""
_INDEX = "index.json"


@dataclass(frozen=True)
class Damage:
    """Why the rest of a file is not read: becomes one drop."""

    rule: str
    why: str
    value: float = 0.0
    threshold: float = 1.0


@dataclass(frozen=True)
class Piece:
    """A file, or the records of a file between two places: byte offsets, row groups or rows, as its format counts."""

    file: str
    start: int = 0
    end: int | None = None
    """None: to the end of the file."""
    first: int = 0
    """Records (lines, rows) of the file before it, so that ids and places are those of the whole file."""
    unpacked: bool = False
    """It lies in the scratch folder, as text; places are those of the unpacked text."""
    damage: Damage | None = None
    """It is what comes after the last record that could be unpacked."""


@dataclass(frozen=True)
class Part:
    """Pieces of one source that are read together, in this order. All parts of a source in order are the source."""

    source: str
    index: int
    pieces: tuple[Piece, ...]
    num_bytes: int
    """Of text in it, about."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Part":
        """Return the part that `to_json` was called on."""
        return cls(**{**value, "pieces": tuple(_piece(piece) for piece in value["pieces"])})


def _piece(value: dict[str, Any]) -> Piece:
    damage = value.get("damage")
    return Piece(**{**value, "damage": Damage(**damage) if damage else None})


def group(sized: Iterable[tuple[Piece, int]], part_bytes: int) -> Iterator[tuple[tuple[Piece, ...], int]]:
    """Yield runs of pieces with their size; none is larger than `part_bytes` unless it is one piece."""
    pieces: list[Piece] = []
    total = 0
    for piece, size in sized:
        cost = max(size, _FILE_BYTES)
        if pieces and total + cost > part_bytes:
            yield tuple(pieces), total
            pieces, total = [], 0
        pieces.append(piece)
        total += cost
    if pieces:
        yield tuple(pieces), total


def scratch_of(scratch: Path, source: str, file: str) -> Path:
    """Return the folder in which a divided file keeps its index and its unpacked pieces."""
    return scratch / hashlib.sha256(f"{source}\0{file}".encode()).hexdigest()[:24]


def write_index(folder: Path, stamp: list[int | str], sized: list[tuple[Piece, int]]) -> None:
    """Record how a file was divided: atomically, after its pieces are on disk."""
    write_json(folder / _INDEX, {"stamp": stamp, "pieces": [[dataclasses.asdict(piece), size] for piece, size in sized]})


def read_index(folder: Path, stamp: list[int | str]) -> list[tuple[Piece, int]] | None:
    """Return how the file was divided; None if it was not, or has changed since."""
    path = folder / _INDEX
    with storage_errors(path):
        if not path.is_file():
            return None
        index = json.loads(path.read_bytes())
    return [(_piece(piece), size) for piece, size in index["pieces"]] if index["stamp"] == stamp else None


def stamp_of(path: Path, part_bytes: int) -> list[int | str]:
    """Return what changes when the file, or the size of parts, does."""
    with storage_errors(path):
        status = path.stat()
    return [status.st_size, status.st_mtime_ns, part_bytes]
