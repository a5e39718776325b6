"""Runs to fit a law to: model size, tokens and loss of each, read from a CSV file or given as arrays."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundup.core.errors import DataError
from groundup.core.files import storage_errors

Array = NDArray[np.float64]
REQUIRED = ("params", "tokens", "loss")
COLUMNS = (*REQUIRED, "flops", "run_id", "weight", "unique_tokens")


@dataclass(frozen=True)
class Points:
    """Losses at the ends of runs, or at moments of them; each array has a value a point."""

    params: Array
    tokens: Array
    """Seen so far, repeated ones each time."""
    loss: Array
    """Nats a token."""
    flops: Array
    """6 params x tokens where the table does not say."""
    run: NDArray[np.int64]
    """Index of the run that the point is of: points of one run are not independent, and are drawn together."""
    run_ids: tuple[str, ...]
    """What the table calls each run."""
    weight: Array
    unique_tokens: Array
    """Different tokens among them; all, where the table does not say."""
    dropped: tuple[dict[str, Any], ...] = ()
    """Rows left out, and why."""

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def num_runs(self) -> int:
        return len(self.run_ids)

    def take(self, chosen: NDArray[np.bool_]) -> "Points":
        """Return the chosen points; their runs are numbered anew."""
        kept, run = np.unique(self.run[chosen], return_inverse=True)
        arrays = {name: getattr(self, name)[chosen] for name in ("params", "tokens", "loss", "flops", "weight", "unique_tokens")}
        return replace(self, **arrays, run=run.astype(np.int64), run_ids=tuple(self.run_ids[index] for index in kept), dropped=())

    def run_flops(self) -> Array:
        """Return the compute of each run: that of its last point."""
        most = np.zeros(self.num_runs)
        np.maximum.at(most, self.run, self.flops)
        return most


def points_of(
    params: ArrayLike,
    tokens: ArrayLike,
    loss: ArrayLike,
    flops: ArrayLike | None = None,
    run_id: Sequence[str | int] | None = None,
    weight: ArrayLike | None = None,
    unique_tokens: ArrayLike | None = None,
    places: Sequence[str] | None = None,
) -> Points:
    """Return checked points; without `run_id` each is a run of its own. Copies of a row are left out, and told in `dropped`.

    Raises DataError for numbers that cannot be (with their place), and for two losses of one run at one number of tokens.
    """
    arrays = {"params": params, "tokens": tokens, "loss": loss}
    given = {name: np.asarray(values, np.float64).ravel() for name, values in arrays.items()}
    count = len(given["loss"])
    optional = {"flops": flops, "weight": weight, "unique_tokens": unique_tokens}
    defaults = {"flops": 6 * given["params"] * given["tokens"], "weight": np.ones(count), "unique_tokens": given["tokens"]}
    for name, values in optional.items():
        given[name] = defaults[name] if values is None else np.asarray(values, np.float64).ravel()
    places = places or [f"point {index + 1}" for index in range(count)]
    names = [str(name) for name in run_id] if run_id is not None else [str(place) for place in places]
    lengths = {name: len(values) for name, values in given.items()} | {"run_id": len(names)}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns of different lengths: {', '.join(f'{name} {length}' for name, length in lengths.items())}")
    _check_numbers(given, places)
    kept, dropped = _without_copies(given, names if run_id is not None else [""] * count, places)
    run_ids, run = np.unique(np.asarray(names)[kept], return_inverse=True)
    return Points(
        **{name: values[kept] for name, values in given.items()},
        run=run.astype(np.int64),
        run_ids=tuple(str(name) for name in run_ids),
        dropped=tuple(dropped),
    )


def read_points(path: Path) -> Points:
    """Read a CSV file with the columns params, tokens, loss, and perhaps flops, run_id, weight, unique_tokens; others are ignored.

    Raises DataError, with file and line, for what cannot be used.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; a table of runs is a CSV file with the columns {', '.join(REQUIRED)}")
    with storage_errors(path), path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = list(csv.DictReader(file))
    header = list(rows[0]) if rows else []
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        seen = f"; it has {', '.join(str(name) for name in header)}" if header else "; it has no rows"
        needed = f"needed: {', '.join(REQUIRED)}, known: {', '.join(COLUMNS)}"
        raise DataError(f"{path}: no column {', '.join(missing)}{seen}; {needed}")
    places = [f"{path}:{index + 2}" for index in range(len(rows))]
    numbers = {
        name: [_number(row[name], name, place) for row, place in zip(rows, places, strict=True)]
        for name in COLUMNS
        if name in header and name != "run_id"
    }
    run_id = [row["run_id"] or place for row, place in zip(rows, places, strict=True)] if "run_id" in header else None
    return points_of(**numbers, run_id=run_id, places=places)


def _number(text: str | None, name: str, place: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{place}: {name}={text!r} is no number; mend the row or take it out") from None


def _check_numbers(given: dict[str, Array], places: Sequence[str]) -> None:
    for name, values in given.items():
        least_ok = values >= 0 if name == "weight" else values > 0
        bad = np.flatnonzero(~(np.isfinite(values) & least_ok))
        if len(bad):
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            wanted = "a finite number, zero or more" if name == "weight" else "a finite number above zero"
            raise DataError(f"{places[bad[0]]}: {name}={values[bad[0]]:g}{more} is not {wanted}; mend the row or take it out")
    over = np.flatnonzero(given["unique_tokens"] > given["tokens"] * (1 + 1e-9))
    if len(over):
        first = over[0]
        raise DataError(
            f"{places[first]}: unique_tokens={given['unique_tokens'][first]:g} is more than tokens={given['tokens'][first]:g}; "
            "tokens counts every time that a token is seen"
        )


def _without_copies(given: dict[str, Array], names: Sequence[str], places: Sequence[str]) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the rows to keep, and those that repeat another; raise DataError for two losses of the same moment of a run."""
    seen: dict[tuple[Any, ...], int] = {}
    kept, dropped = [], []
    for index, name in enumerate(names):
        moment = (name, given["params"][index], given["tokens"][index])
        key = moment if name else (*moment, given["loss"][index])
        first = seen.setdefault(key, index)
        if first == index:
            kept.append(index)
        elif math.isclose(given["loss"][first], given["loss"][index], rel_tol=1e-9):
            dropped.append({"place": places[index], "because": f"the same as {places[first]}"})
        else:
            raise DataError(
                f"{places[index]}: run {name!r} has loss {given['loss'][index]:g} at {moment[2]:g} tokens, and "
                f"{given['loss'][first]:g} at {places[first]}; give runs of other seeds a run_id of their own, or take one out"
            )
    return kept, dropped
