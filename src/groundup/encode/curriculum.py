"""The documents of each source in the order of a measure, in memory that is bounded but for some numbers a document."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.columns import column, numbers
from groundup.artifacts.parquet import parquet_errors
from groundup.core.config import nearest
from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.encode.config import CurriculumConfig, MeasureName
from groundup.encode.draw import key_of
from groundup.encode.mixing import Choice
from groundup.encode.pieces import Encoded, Piece, read

RANGE_TOKENS = 32 << 20
"""Tokens that are sorted at once. More of them go over disk in ranges of the order."""
_MAX_RANGES = 256
"""Files that are open at a time, for one source; of more tokens the ranges are larger."""
_BLOCK_TOKENS = 1 << 20
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MEASURES: dict[MeasureName, Callable[[Encoded], Floats]] = {
    "tokens": lambda documents: documents.lengths.astype(np.float64),
    "bytes": lambda documents: documents.bytes.astype(np.float64),
    "tokens_per_byte": lambda documents: (documents.lengths - 1) / np.maximum(documents.bytes, 1),
}
"""What can be measured of encoded documents; `column` is read from the curated ones."""


def column_values(piece: Piece, name: str) -> Floats:
    """Return the numbers in a column of the piece's documents, or under this name in their `meta`.

    Raises DataError if there is none of that name, or a document has no finite number there.
    """
    with parquet_errors(piece.file), pq.ParquetFile(piece.file) as parquet:
        schema = parquet.schema_arrow
        own = name in schema.names and name != "meta"
        table = parquet.read_row_groups(list(piece.groups), columns=["id", name if own else "meta"])
    values = _numeric(piece, table[name], name) if own else [_of_meta(meta, name) for meta in table["meta"].to_pylist()]
    found = np.array([np.nan if value is None else value for value in values], np.float64)
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        known = sorted({*_numeric_names(schema), *_fields(table, own)})
        raise DataError(
            f"{piece.file}: document '{table['id'][int(wrong[0])]}' has no number '{name}' to order by, in a column or meta; "
            f"{nearest(name, known)}"
        )
    return found


def _numeric(piece: Piece, values: pa.ChunkedArray, name: str) -> list[Any]:
    if not _is_numeric(values.type):
        raise DataError(f"{piece.file}: encode.curriculum.column='{name}' holds {values.type}, no numbers to order documents by")
    found: list[Any] = values.to_pylist()
    return found


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numeric_names(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if _is_numeric(field.type)]


def _of_meta(meta: str | None, name: str) -> float | None:
    value = _object(meta).get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _object(meta: str | None) -> dict[str, Any]:
    try:
        found = orjson.loads(meta or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _fields(table: pa.Table, own: bool) -> list[str]:
    """Return the numbers in the first document's `meta`."""
    first = None if own or not len(table) else table["meta"][0].as_py()
    return [name for name in _object(first) if _of_meta(first, name) is not None]


class Sorter:
    """Takes the documents of a split in the order in which they lie, and gives those of each source back in that of the measure.

    Documents of one value are ordered by a hash of id and seed. Memory: about 40 bytes a document, and `RANGE_TOKENS` tokens.
    """

    def __init__(
        self, folder: Path, values: Mapping[str, Floats], keys: Mapping[str, npt.NDArray[np.uint64]], lengths: Mapping[str, Counts]
    ):
        self._folder = folder
        self._ranks: dict[str, Counts] = {}
        self._ranges: dict[str, Counts] = {}
        self._done = dict.fromkeys(values, 0)
        self._files: dict[tuple[str, int], Any] = {}
        self._held: dict[str, list[tuple[Counts, Encoded]]] = {name: [] for name in values}
        for name, own in values.items():
            order = np.lexsort((np.arange(len(own)), keys[name], own))
            ranks = np.empty(len(own), np.int64)
            ranks[order] = np.arange(len(own))
            sums = np.cumsum(lengths[name][order])
            size = max(RANGE_TOKENS, -(-int(sums[-1]) // _MAX_RANGES)) if len(sums) else 1
            of_rank = np.maximum(sums - 1, 0) // size
            self._ranks[name], self._ranges[name] = ranks, of_rank[ranks] if len(own) else ranks

    def put(self, name: str, documents: Encoded) -> None:
        """Take the next documents of a source."""
        start = self._done[name]
        self._done[name] = end = start + len(documents.lengths)
        ranks, ranges = self._ranks[name][start:end], self._ranges[name][start:end]
        if not len(self._ranges[name]) or not self._ranges[name].max():
            self._held[name].append((ranks, documents.copied()))
            return
        for number in np.unique(ranges).tolist():
            chosen = ranges == number
            self._spill(name, number, ranks[chosen], documents.only(chosen))

    def _spill(self, name: str, number: int, ranks: Counts, documents: Encoded) -> None:
        batch = _packed(ranks, documents)
        path = self._folder / f"{name}.{number}.arrow"
        with storage_errors(path):
            if (name, number) not in self._files:
                self._files[name, number] = pa.ipc.new_stream(str(path), batch.schema)
            self._files[name, number].write_batch(batch)

    def sorted(self, name: str) -> Iterator[Encoded]:
        """Yield all documents of a source in their order."""
        held = self._held.pop(name)
        if held:
            yield from _in_order(held)
        for _, number in sorted(key for key in self._files if key[0] == name):
            path = self._folder / f"{name}.{number}.arrow"
            with storage_errors(path):
                self._files.pop((name, number)).close()
                with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as batches:
                    yield from _in_order([_unpacked(batch) for batch in batches])
                path.unlink()


def _in_order(parts: Sequence[tuple[Counts, Encoded]]) -> Iterator[Encoded]:
    """Yield the documents by their ranks, about `_BLOCK_TOKENS` tokens at a time."""
    ranks = np.concatenate([own for own, _ in parts])
    lengths, sizes, marks, rows = (
        np.concatenate([getattr(documents, field) for _, documents in parts]) for field in ("lengths", "bytes", "marks", "rows")
    )
    ids = pa.concat_arrays([documents.ids for _, documents in parts])
    tokens = np.concatenate([documents.tokens for _, documents in parts])
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(ranks, kind="stable")
    cuts = np.flatnonzero(np.diff((np.cumsum(lengths[order]) - 1) // _BLOCK_TOKENS)) + 1
    for chosen in np.split(order, cuts):
        long = lengths[chosen]
        ends = np.cumsum(long)
        places = np.repeat(starts[chosen] - (ends - long), long) + np.arange(int(ends[-1]) if len(ends) else 0)
        yield Encoded(ids.take(column(chosen)), marks[chosen], sizes[chosen], long, tokens[places], rows[chosen])


def _packed(ranks: Counts, documents: Encoded) -> pa.RecordBatch:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(documents.lengths)])
    listed = pa.LargeListArray.from_arrays(column(offsets), column(np.ascontiguousarray(documents.tokens)))
    plain = (ranks, documents.marks, documents.bytes, documents.rows)
    arrays = [documents.ids, *(column(np.ascontiguousarray(values)) for values in plain), listed]
    return pa.RecordBatch.from_arrays(arrays, ["id", "rank", "mark", "bytes", "row", "tokens"])


def _unpacked(batch: pa.RecordBatch) -> tuple[Counts, Encoded]:
    ranks, marks, sizes, rows = (numbers(batch.column(name)) for name in ("rank", "mark", "bytes", "row"))
    listed = batch.column("tokens")
    lengths, tokens = numbers(listed.value_lengths()), numbers(listed.flatten())
    return ranks, Encoded(batch.column("id"), marks, sizes, lengths, tokens, rows)


def read_columns(config: CurriculumConfig, pieces: Sequence[Piece]) -> dict[str, Floats]:
    """Return the values of a column by piece, empty for other measures: before the work, as it may not be there."""
    return {piece.key: column_values(piece, config.column) for piece in pieces} if config.column is not None else {}


def open_sorter(
    config: CurriculumConfig,
    pieces: Sequence[Piece],
    folder: Path,
    spill: Path,
    chosen: Mapping[str, Choice],
    seed: int,
    columns: Mapping[str, Floats],
) -> Sorter:
    """Return what sorts the documents of encoded pieces in `folder` that are kept; measures them in a pass of its own."""
    values: dict[str, list[Floats]] = {name: [] for name in chosen}
    keys: dict[str, list[npt.NDArray[np.uint64]]] = {name: [] for name in chosen}
    lengths: dict[str, list[Counts]] = {name: [] for name in chosen}
    sign = -1.0 if config.descending else 1.0
    for piece in pieces:
        for name, documents in read(piece, folder):
            kept = documents.only(chosen[name].keeps(documents, seed))
            measured = columns[piece.key][kept.rows] if config.by == "column" else MEASURES[config.by](kept)
            values[name].append(sign * measured)
            keys[name].append(key_of(kept.marks, seed))
            lengths[name].append(kept.lengths.copy())
    joined = functools.partial(_joined, names=list(chosen))
    return Sorter(spill, joined(values, np.float64), joined(keys, np.uint64), joined(lengths, np.int64))


def _joined(parts: Mapping[str, Sequence[npt.NDArray[Any]]], dtype: Any, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    return {name: np.concatenate([np.zeros(0, dtype), *parts[name]]) for name in names}
