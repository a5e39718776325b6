"""Tables as text: comma- and tab-separated values."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groundup.artifacts.documents import Document
from groundup.core.config import nearest
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile, printable
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.records import KEPT_FIELDS, Places, damaged, document_of
from groundup.curate.sources.lines import Line, Stream, is_packed, open_stream
from groundup.curate.sources.parts import PACKED_RATIO, Piece

_MAX_FIELDS = 1_000_000
"""Of a record: each takes memory of its own."""


@dataclass(frozen=True)
class _Row:
    """One record, or why it is none. `number` is the line that it starts at."""

    number: int
    fields: list[str]
    rule: str = ""
    why: str = ""
    value: float = 0.0
    threshold: float = 1.0


class _Overflow(Exception):  # noqa: N818  caught where it is made into a row
    """A record grew beyond a bound."""

    def __init__(self, rule: str, why: str, value: float, threshold: float) -> None:
        super().__init__(why)
        self.rule, self.value, self.threshold = rule, value, threshold


class _Records:
    """The records of lines, and how many bytes and lines they took so far."""

    def __init__(self, lines: Iterator[Line], delimiter: str, max_bytes: int, num_lines: int) -> None:
        self._lines, self._delimiter, self._max_bytes = lines, delimiter, max_bytes
        self.num_lines, self.num_bytes = num_lines, 0
        self._record_bytes = self._record_fields = 0
        self._is_at_end = False

    def __iter__(self) -> Iterator[_Row]:
        """Yield rows; after one that is none the next line starts a new one."""
        while not self._is_at_end:
            reader = csv.reader(self._text(), delimiter=self._delimiter)
            while True:
                first = self.num_lines + 1
                self._record_bytes = self._record_fields = 0
                try:
                    fields = next(reader, None)
                except _Overflow as error:
                    yield _Row(first, [], error.rule, str(error), error.value, error.threshold)
                    break
                except csv.Error as error:
                    yield _Row(first, [], "invalid_csv", f"lines {first:,} to {self.num_lines:,}: {error}")
                    break
                if fields is None:
                    break
                if self._is_at_end:
                    why = f"a quotation mark opened from line {first:,} on is not closed by line {self.num_lines:,}, the last"
                    yield _Row(first, [], "invalid_csv", why)
                elif fields:
                    yield _Row(first, fields)
                else:
                    yield _Row(first, [], "blank")

    def _text(self) -> Iterator[str]:
        for line in self._lines:
            self.num_lines += 1
            self.num_bytes += line.num_bytes + line.data.endswith(b"\n")
            self._record_bytes += line.num_bytes
            self._record_fields += line.data.count(self._delimiter.encode())
            if self._record_bytes > self._max_bytes:
                why = f"{self._record_bytes:,} bytes in one record, at most {self._max_bytes:,} are read"
                raise _Overflow("record_too_long", why, float(self._record_bytes), float(self._max_bytes))
            if self._record_fields > _MAX_FIELDS:
                why = f"{self._record_fields:,} fields in one record, at most {_MAX_FIELDS:,} are read"
                raise _Overflow("record_too_long", why, float(self._record_fields), float(_MAX_FIELDS))
            yield line.data.decode(errors="surrogateescape")
        self._is_at_end = True


class Csv(Format):
    """One document a record (RFC 4180: fields in quotation marks may hold line feeds) under a line of column names.

    A large file is cut between records, which takes a pass over it; a compressed one is read as it is.
    """

    endings = (".csv", ".csv.gz", ".csv.zst")
    delimiter: ClassVar[str] = ","

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        csv.field_size_limit(sys.maxsize)  # records are bounded as they are read

    def can_divide(self, file: SourceFile) -> bool:
        return not is_packed(file.name)

    def text_bytes(self, file: SourceFile) -> int:
        return super().text_bytes(file) * (PACKED_RATIO if is_packed(file.name) else 1)

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        start = first = 0
        with open_stream(file.path, self._source.config.max_ratio, Piece(file.name), folder) as stream:
            records = self._records(stream, Piece(file.name))
            for _ in records:
                if records.num_bytes - start >= self._source.part_bytes:
                    yield Piece(file.name, start, records.num_bytes, first), records.num_bytes - start
                    start, first = records.num_bytes, records.num_lines
            if records.num_bytes > start:
                yield Piece(file.name, start, records.num_bytes, first), records.num_bytes - start

    def read(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        places = Places(self._source, file, "line")
        header, wrong = self._header(file, folder)
        if wrong:
            if piece.start == 0:
                yield self._source.reject(f"{self._source.config.name}:{file.name}", "no_text", wrong)
            return
        with open_stream(file.path, self._source.config.max_ratio, piece, folder) as stream:
            records = self._records(stream, piece)
            is_header = piece.start == 0
            for row in records:
                if row.rule == "blank":
                    continue
                if not is_header:
                    yield self._document(places, header, row)
                is_header = False
            if stream.damage:
                yield damaged(self._source, places, records.num_lines + 1, stream.damage)

    def _records(self, stream: Stream, piece: Piece) -> _Records:
        num_bytes = None if piece.end is None else piece.end - piece.start
        max_bytes = self._source.max_record_bytes
        return _Records(stream.lines(max_bytes, num_bytes), self.delimiter, max_bytes, piece.first)

    def _header(self, file: SourceFile, folder: Path) -> tuple[list[str], str]:
        """Return the names of the columns, or why there is no column of text."""
        with open_stream(file.path, self._source.config.max_ratio, Piece(file.name), folder) as stream:
            row = next((row for row in self._records(stream, Piece(file.name)) if row.rule != "blank"), None)
            damage = stream.damage
        if row is None or row.rule:
            why = damage.why if damage else row.why if row else "an empty file"
            return [], f"{file.name}: no line of column names: {why}"
        names = [printable(name.removeprefix("\ufeff")) for name in row.fields]
        field = self._source.config.text_field
        if names.count(field) != 1:
            found = "several columns are" if field in names else "no column is"
            hint = "keep one" if field in names else nearest(field, names)
            return [], f"{file.name}: {found} called '{field}'; {hint} (text_field of source '{self._source.config.name}')"
        return names, ""

    def _document(self, places: Places, header: list[str], row: _Row) -> Document | Drop:
        where, fallback_id = places.where(row.number), places.fallback_id(row.number)
        if row.rule:
            return self._source.reject(fallback_id, row.rule, f"{where}: {row.why}", row.value, row.threshold)
        if len(row.fields) != len(header):
            why = f"{where}: {len(row.fields)} fields under {len(header)} column names; quote fields that hold the delimiter"
            return self._source.reject(fallback_id, "columns", why, float(len(row.fields)), float(len(header)))
        record: dict[str, Any] = {
            name: value for name, value in zip(header, row.fields, strict=True) if name in KEPT_FIELDS and value
        }
        data = row.fields[header.index(self._source.config.text_field)].encode(errors="surrogateescape")
        text = self._source.decode(fallback_id, data, where)
        if isinstance(text, Drop):
            return text
        return document_of(self._source, {**record, self._source.config.text_field: text}, places, row.number)


class Tsv(Csv):
    """The same with tabs between the fields."""

    endings = (".tsv", ".tsv.gz", ".tsv.zst")
    delimiter = "\t"
