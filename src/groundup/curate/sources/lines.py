"""Lines of files, plain or compressed, read and cut in bounded memory."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from groundup.core.files import storage_errors
from groundup.curate.sources.packed import FRAMES, Unpacked
from groundup.curate.sources.parts import Damage, Piece

_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Line:
    """One line. `data` ends after the bound; `num_bytes` is the line's length without its line feed."""

    data: bytes
    num_bytes: int


class Stream:
    """An open file: its text, and after the end of it why the rest is missing, if it is."""

    def __init__(self, text: io.BufferedReader, unpacked: Unpacked | None) -> None:
        self.text, self._unpacked = text, unpacked

    @property
    def damage(self) -> Damage | None:
        return self._unpacked.damage if self._unpacked else None

    def lines(self, max_bytes: int, num_bytes: int | None = None) -> Iterator[Line]:
        """Yield the lines (those of the next `num_bytes`, if given); the rest of one beyond `max_bytes` is passed over.

        The beginning of a line of which the rest is damaged is no line.
        """
        done = 0
        while num_bytes is None or done < num_bytes:
            data = self.text.readline(max_bytes + 1)
            if not data:
                return
            size = len(data)
            if size > max_bytes and not data.endswith(b"\n"):
                size, has_end = self._pass_over(size)
            else:
                has_end = data.endswith(b"\n")
            if not has_end and self.damage:
                return
            done += size
            yield Line(data, size - has_end)

    def _pass_over(self, size: int) -> tuple[int, bool]:
        while rest := self.text.readline(_BUFFER_BYTES):
            size += len(rest)
            if rest.endswith(b"\n"):
                return size, True
        return size, False


@contextlib.contextmanager
def open_stream(path: Path, max_ratio: float, piece: Piece, folder: Path) -> Iterator[Stream]:
    """Open a file at the beginning of the piece; an unpacked piece is a file in `folder`."""
    if piece.unpacked:
        path = piece_path(folder, piece)
    frames = FRAMES.get(path.suffix.lower())
    with storage_errors(path), path.open("rb", buffering=0) as raw:
        if frames is not None:
            unpacked = Unpacked(raw, frames(), max_ratio)
            yield Stream(io.BufferedReader(unpacked, _BUFFER_BYTES), unpacked)
        else:
            if not piece.unpacked:
                raw.seek(piece.start)
            yield Stream(io.BufferedReader(raw, _BUFFER_BYTES), None)


def cut_plain(stream: Stream, file: str, part_bytes: int) -> Iterator[Piece]:
    """Yield pieces of an open file: each ends at the first line feed after `part_bytes`."""
    start = first = end = lines = 0
    for run, is_last in _runs(stream, part_bytes):
        end += len(run)
        lines += run.count(b"\n")
        if is_last:
            yield Piece(file, start, end, first)
            start, first = end, lines
    if end > start:
        yield Piece(file, start, end, first)


def unpack(stream: Stream, file: str, part_bytes: int, folder: Path) -> Iterator[Piece]:
    """Write the text of an open compressed file into `folder` as pieces that end at line feeds; yield what was written."""
    start = first = end = lines = whole = 0
    piece_file: BinaryIO | None = None
    try:
        for run, is_last in _runs(stream, part_bytes):
            piece_file = piece_file or _partial(folder, start).open("wb")
            piece_file.write(run)
            line_feed = run.rfind(b"\n")
            whole = whole if line_feed < 0 else end + line_feed + 1
            end += len(run)
            lines += run.count(b"\n")
            if is_last:
                yield _finish(piece_file, folder, Piece(file, start, end, first, unpacked=True))
                piece_file, start, first = None, end, lines
        if stream.damage:
            end = max(whole, start)
        if piece_file and end > start:
            yield _finish(piece_file, folder, Piece(file, start, end, first, unpacked=True))
            piece_file = None
        if stream.damage:
            yield Piece(file, end, first=lines, unpacked=True, damage=stream.damage)
    finally:
        if piece_file:
            piece_file.close()
            _partial(folder, start).unlink()


def is_packed(name: str) -> bool:
    """Return whether a file of that name is compressed."""
    return Path(name).suffix.lower() in FRAMES


def piece_path(folder: Path, piece: Piece) -> Path:
    """Return where an unpacked piece lies."""
    return folder / f"{piece.start:015d}.text"


def _partial(folder: Path, start: int) -> Path:
    return folder / f"{start:015d}.partial"


def _finish(file: BinaryIO, folder: Path, piece: Piece) -> Piece:
    assert piece.end is not None
    with file:
        file.truncate(piece.end - piece.start)
        file.flush()
        os.fsync(file.fileno())
    _partial(folder, piece.start).replace(piece_path(folder, piece))
    return piece


def _runs(stream: Stream, part_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the text in runs; True with those that end a piece."""
    size = 0
    while chunk := stream.text.read(_BUFFER_BYTES):
        place = 0
        while place < len(chunk):
            line_feed = chunk.find(b"\n", place + max(part_bytes - size - 1, 0))
            end = line_feed + 1 or len(chunk)
            yield chunk[place:end], line_feed >= 0
            size = 0 if line_feed >= 0 else size + end - place
            place = end
