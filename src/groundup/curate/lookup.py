"""Rows of an artifact's tables by the id of a document, a row group in memory at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundup.artifacts.parquet import parquet_errors

NUM_NEAREST = 5
_LEAST_ALIKE = 0.4
_MAX_PAIRS = 64
"""Pairs of letters of the wanted id that are looked for."""


def find_row(folder: Path, document_id: str) -> dict[str, Any] | None:
    """Return the document's row, None if it has none; only ids are read of the others."""
    for file in sorted(folder.glob("*.parquet")):
        with parquet_errors(file), pq.ParquetFile(file) as parquet:
            for group in range(parquet.num_row_groups):
                place = pc.index(parquet.read_row_group(group, ["id"])["id"], document_id).as_py()
                if place >= 0:
                    row: dict[str, Any] = parquet.read_row_group(group).slice(place, 1).to_pylist()[0]
                    return row
    return None


def find_rows(folder: Path, column: str, wanted: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that hold `wanted` in the column."""
    for file in sorted(folder.glob("*.parquet")):
        with parquet_errors(file), pq.ParquetFile(file) as parquet:
            for group in range(parquet.num_row_groups):
                is_wanted = pc.equal(parquet.read_row_group(group, [column])[column], wanted)
                if pc.any(is_wanted).as_py():
                    yield from parquet.read_row_group(group).filter(is_wanted).to_pylist()


def nearest_ids(folders: Sequence[Path], wanted: str) -> tuple[list[str], str | None]:
    """Return the ids that are most like `wanted`, and any id to show what they look like.

    Ids that hold it come first, in any case; then by the pairs of letters that both have (Dice 1945).
    """
    wanted = wanted.lower()
    best: list[tuple[float, str]] = []
    first = None
    for ids in _ids(folders):
        first = ids[0].as_py() if first is None else first
        alike = _alikeness(ids, wanted)
        places = np.argsort(-alike, kind="stable")[:NUM_NEAREST].tolist()
        best = sorted([*best, *((-float(alike[place]), ids[place].as_py()) for place in places)])[:NUM_NEAREST]
    return [found for alike, found in best if -alike >= _LEAST_ALIKE], first


def _ids(folders: Sequence[Path]) -> Iterator[pa.Array]:
    for folder in folders:
        for file in sorted(folder.glob("*.parquet")):
            with parquet_errors(file), pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(batch_size=1 << 14, columns=["id"]):
                    if len(batch):
                        yield batch.column(0)


def _alikeness(ids: pa.Array, wanted: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return for each id 1 and more if it holds `wanted`, else the part of the pairs of letters that both have."""
    lower = pc.utf8_lower(ids)
    pairs = sorted({wanted[i : i + 2] for i in range(len(wanted) - 1)})[:_MAX_PAIRS]
    shared = np.zeros(len(ids))
    for pair in pairs:
        shared += pc.match_substring(lower, pair).to_numpy(zero_copy_only=False)
    lengths = pc.utf8_length(ids).to_numpy().astype(np.float64)
    alike: np.ndarray[tuple[int], np.dtype[np.float64]] = 2 * shared / np.maximum(len(pairs) + lengths - 1, 1)
    holds = pc.match_substring(lower, wanted).to_numpy(zero_copy_only=False)
    return np.where(holds, 1 + 1 / (1 + lengths), np.minimum(alike, 1))
