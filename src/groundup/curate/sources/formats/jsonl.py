"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from groundup.artifacts.documents import Document
from groundup.curate.drops import Drop
from groundup.curate.sources.base import SourceFile
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.records import Places, damaged, document_of, json_name
from groundup.curate.sources.lines import Line, cut_plain, is_packed, open_stream, unpack
from groundup.curate.sources.packed import FRAMES
from groundup.curate.sources.parts import PACKED_RATIO, Piece


class JsonLines(Format):
    """One JSON object a line, plain or compressed by gzip or zstd; its `id`, `url`, `language` and `source` are kept."""

    endings = tuple(f".{name}{packed}" for name in ("jsonl", "ndjson") for packed in ("", *FRAMES))

    def can_divide(self, file: SourceFile) -> bool:
        return True

    def text_bytes(self, file: SourceFile) -> int:
        size = super().text_bytes(file)
        return size * PACKED_RATIO if is_packed(file.name) else size

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        part_bytes = self._source.part_bytes
        with open_stream(file.path, self._source.config.max_ratio, Piece(file.name), folder) as stream:
            pieces = (
                unpack(stream, file.name, part_bytes, folder) if is_packed(file.name) else cut_plain(stream, file.name, part_bytes)
            )
            for piece in pieces:
                yield piece, 0 if piece.end is None else piece.end - piece.start

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        places = Places(self._source, file, "line")
        if piece.damage:
            yield damaged(self._source, places, piece.first + 1, piece.damage)
            return
        number = piece.first
        num_bytes = None if piece.end is None else piece.end - piece.start
        with open_stream(file.path, self._source.config.max_ratio, piece, folder) as stream:
            for number, line in enumerate(stream.lines(self._source.max_record_bytes, num_bytes), start=piece.first + 1):
                if not line.data.isspace():
                    yield self._document(places, number, line)
            if stream.damage:
                yield damaged(self._source, places, number + 1, stream.damage)

    def _document(self, places: Places, number: int, line: Line) -> Document | Drop:
        if line.num_bytes > self._source.max_record_bytes:
            return self._source.too_long(places.fallback_id(number), line.num_bytes, places.where(number))
        record = _fast(line.data)
        if record is None:
            decoded = self._source.decode(places.fallback_id(number), line.data, places.where(number))
            if isinstance(decoded, Drop):
                return decoded
            try:
                record = json.loads(decoded.removeprefix("\ufeff"))
            except (ValueError, RecursionError) as error:
                why = f"{places.where(number)}: not JSON ({error})"
                return self._source.reject(places.fallback_id(number), "invalid_json", why)
        if not isinstance(record, dict):
            why = f"{places.where(number)}: {json_name(record)}, expected an object"
            return self._source.reject(places.fallback_id(number), "invalid_json", why)
        return document_of(self._source, record, places, number)


def _fast(line: bytes) -> Any:
    """Return what orjson reads in the line; None for what it refuses or reads otherwise than `json`, which then decides.

    orjson refuses some of what `json` takes (NaN, marks of byte order, halves of surrogate pairs) and makes floating-point
    numbers of large whole ones, which matters in an id.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return None if isinstance(record, dict) and isinstance(record.get("id"), float) else record
