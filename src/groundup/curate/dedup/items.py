"""Items of benchmarks: the questions, passages and answers that a model must not have been trained on."""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from groundup.core.errors import DataError
from groundup.core.files import storage_errors

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LINES = (".txt", ".text")
_OBJECTS = (".jsonl", ".ndjson")
ENDINGS = (*_OBJECTS, *_DELIMITERS, *_LINES)
"""Of files of items, each also with .gz behind."""


@dataclass(frozen=True)
class Item:
    """One item of a task."""

    id: str
    texts: tuple[str, ...]
    """The strings in it, one after the other: no n-gram reaches from one into the next."""


def read_items(path: Path, fields: Sequence[str] = (), id_field: str | None = None) -> Iterator[Item]:
    """Yield the items of a file, or of all files of a folder by name: JSON lines, CSV or TSV with a header, or a text a line.

    `fields` are those that are searched for, all but `id_field` if none is named; of nested values all strings are taken. The id
    is that of `id_field`, else file:line (of CSV the row, the header being 1). Raises DataError with file and line for a line
    that cannot be read, a field that is not there, an ending that is not known, or no item at all.
    """
    number = 0
    for file in item_files(path):
        for place, record in _records(file):
            number += 1
            yield _item(f"{file.name}:{place}", record, fields, id_field)
    if not number:
        raise DataError(f"{path}: no item in it; give a file or folder of {', '.join(ENDINGS)} (also .gz)")


def item_files(path: Path) -> list[Path]:
    """Return the files of items in a folder, by name; a file is its own."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and _ending(file) in ENDINGS)


def _ending(file: Path) -> str:
    name = file.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _records(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    ending = _ending(file)
    if ending not in ENDINGS:
        raise DataError(f"{file}: ends with '{ending}', which is no list of items; known: {', '.join(ENDINGS)} (also .gz)")
    with storage_errors(file):
        data = file.read_bytes()
    try:
        text = (gzip.decompress(data) if file.name.lower().endswith(".gz") else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 ({error}); convert it") from None
    if ending in _DELIMITERS:
        yield from _rows(file, text, _DELIMITERS[ending])
        return
    for place, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield place, {"text": line} if ending in _LINES else _object(file, place, line)


def _rows(file: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="more")
    try:
        yield from enumerate(rows, start=2)
    except csv.Error as error:
        raise DataError(f"{file}:{rows.line_num}: no row of a table ({error}); mend it or take it out") from None


def _object(file: Path, place: int, line: str) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{file}:{place}: not JSON ({error}); mend the line or take it out") from None
    if not isinstance(record, dict):
        raise DataError(f"{file}:{place}: a {type(record).__name__}, expected an object with fields")
    return record


def _item(where: str, record: dict[str, Any], fields: Sequence[str], id_field: str | None) -> Item:
    for name in (*fields, *([id_field] if id_field else [])):
        if name not in record:
            raise DataError(f"{where}: no field '{name}'; it has {', '.join(record)}")
    chosen = fields or [name for name in record if name != id_field]
    texts = tuple(text for name in chosen for text in _strings(record[name]) if text.strip())
    return Item(str(record[id_field]) if id_field else where, texts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
