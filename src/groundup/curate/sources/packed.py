"""Compressed files as streams of text that end early, with the reason, where they are damaged or blow up."""

import io
import zlib
from abc import ABC, abstractmethod

import zstandard
from typing_extensions import Buffer

from groundup.curate.sources.parts import Damage

_SLICE_BYTES = 1 << 10
"""Compressed bytes taken at a time. What they unpack to is held: at most 1 MB of zlib, 32 MB of zstd (blocks of 4 bytes)."""
_FREE_BYTES = 64 << 20
"""A file may unpack to so much whatever its size."""


class Frames(ABC):
    """A decompressor of members one after another: bytes in, bytes out."""

    name: str

    @abstractmethod
    def decompress(self, data: bytes) -> bytes:
        """Return what `data` unpacks to; raise ValueError if it is damaged."""

    @abstractmethod
    def is_between(self) -> bool:
        """Return whether the last member is complete."""


class GzipFrames(Frames):
    """Members of a gzip file, zero bytes between them passed over as gzip does."""

    name = "gzip"

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._started = False
        self._num_members = 0

    def decompress(self, data: bytes) -> bytes:
        out = []
        while data:
            if not self._started:
                data = data.lstrip(b"\0") if self._num_members else data
                if not data:
                    break
                self._started = True
            try:
                out.append(self._member.decompress(data))
            except zlib.error as error:
                raise ValueError(str(error)) from None
            data = self._member.unused_data
            if self._member.eof:
                self._member, self._started = zlib.decompressobj(wbits=31), False
                self._num_members += 1
        return b"".join(out)

    def is_between(self) -> bool:
        return not self._started


class ZstdFrames(Frames):
    """Frames of a zstd file."""

    name = "zstd"

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._started = False

    def decompress(self, data: bytes) -> bytes:
        out = []
        while data:
            self._started = True
            try:
                out.append(self._frame.decompress(data))
            except zstandard.ZstdError as error:
                raise ValueError(str(error)) from None
            data = self._frame.unused_data
            if self._frame.eof:
                self._frame, self._started = zstandard.ZstdDecompressor().decompressobj(), False
        return b"".join(out)

    def is_between(self) -> bool:
        return not self._started


FRAMES: dict[str, type[Frames]] = {".gz": GzipFrames, ".zst": ZstdFrames}
"""By the ending of the file's name."""


class Unpacked(io.RawIOBase):
    """What a compressed file holds, in bounded memory.

    It ends where the data are damaged or cut off, or where more than `max_ratio` times the bytes read have come out;
    `damage` then says so. At most 1 kB of compressed data before the damage is lost with it.
    """

    def __init__(self, file: io.RawIOBase | io.BufferedIOBase, frames: Frames, max_ratio: float) -> None:
        self._file, self._frames, self._max_ratio = file, frames, max_ratio
        self._packed = b""
        self._place = 0
        self._ready = memoryview(b"")
        self._num_in = self._num_out = 0
        self.damage: Damage | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer)
        while not self._ready and not self.damage and self._unpack():
            pass
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpack(self) -> bool:
        """Unpack the next slice; False at the end."""
        if self._place >= len(self._packed):
            self._packed, self._place = self._file.read(256 * _SLICE_BYTES) or b"", 0
        data = self._packed[self._place : self._place + _SLICE_BYTES]
        self._place += _SLICE_BYTES
        if not data:
            if self._num_in == 0 or not self._frames.is_between():
                self.damage = Damage("damaged", f"{self._frames.name} data end too early")
            return False
        self._num_in += len(data)
        try:
            out = self._frames.decompress(data)
        except ValueError as error:
            self.damage = Damage("damaged", f"damaged {self._frames.name} data ({error})")
            return False
        self._num_out += len(out)
        if self._num_out > max(_FREE_BYTES, self._max_ratio * self._num_in):
            self.damage = Damage(
                "unpacked_ratio",
                f"{self._num_in:,} compressed bytes gave {self._num_out:,}; if that is right, raise the source's max_ratio",
                self._num_out / self._num_in,
                self._max_ratio,
            )
            return False
        self._ready = memoryview(out)
        return True
