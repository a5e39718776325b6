"""evaluations.jsonl: the model on held-out text, every so many steps."""

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.core.files import append_text, storage_errors, write_text
from groundup.core.log import say
from groundup.core.patience import patiently
from groundup.nn.transformer import Transformer
from groundup.train.hooks.held_out import HeldOut, evaluating
from groundup.train.hooks.hook import Row
from groundup.train.ranks import ALONE, Ranks

EVALUATIONS_FILE = "evaluations.jsonl"
Samples = Callable[[Transformer], list[dict[str, str]]]


class Evaluation:
    """A hook that scores the model and keeps a row of each time, each step once.

    A row is on disk before a checkpoint of its step is, and rows of steps that come again are replaced. Many processes score
    together and all have the rows; the first writes them.
    """

    def __init__(
        self,
        path: Path,
        every: int,
        held_out: HeldOut,
        model: Transformer,
        autocast: contextlib.AbstractContextManager[Any],
        samples: Samples | None = None,
        patience_s: float = 0.0,
        ranks: Ranks = ALONE,
    ) -> None:
        self._path = path
        self._ranks = ranks
        self._every = every
        self._held_out = held_out
        self._model = model
        self._autocast = autocast
        self._samples = samples
        self._patience_s = patience_s
        found = ranks.agreed(read_evaluations(path) if ranks.is_first else [])
        self._keep([row for row in found if row["targets"] == held_out.targets])  # another run may have left some

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What was found so far, in order of the steps."""
        return self._rows

    @property
    def targets(self) -> int:
        """Tokens that are predicted each time."""
        return self._held_out.targets

    def losses(self) -> dict[int, float]:
        """Return the loss after each number of steps that the model was scored after."""
        return {row["step"]: row["loss"] for row in self._rows}

    def due(self, step: int) -> bool:
        """Return whether the model is scored after `step` steps whatever their number is; after the last one it always is."""
        return step % self._every == 0

    def __call__(self, row: Row) -> str | None:
        """Score the model, if it is time to; return the newest score in words."""
        if self._rows and self._rows[-1]["step"] >= row["step"]:
            self._keep([known for known in self._rows if known["step"] < row["step"]])
        if self.due(row["step"]) or row["last"]:
            self._add(self._evaluate(row))
        return f"held-out {self._rows[-1]['loss']:.3f}" if self._rows else None

    def _evaluate(self, row: Row) -> dict[str, Any]:
        start_s = time.perf_counter()
        found = {"step": row["step"], "tokens": row["tokens"], **self._held_out.score(self._model, self._autocast, self._ranks)}
        if self._samples is not None:
            with evaluating(self._model):
                found["samples"] = self._samples(self._model)
        return {**found, "elapsed_s": time.perf_counter() - start_s}

    def _add(self, found: dict[str, Any]) -> None:
        """Keep a row; a loss that is no number is only told, since what is done about it is decided by the next step."""
        if not math.isfinite(found["loss"]):
            say(f"  step {found['step']:,}: the loss on held-out text is {found['loss']}", style="yellow")
            return
        say(f"  step {found['step']:,}: held-out text: {_in_words(found)}")
        self._rows.append(found)
        if self._ranks.is_first:
            patiently(lambda: append_text(self._path, _line(found), sync=True), self._patience_s)

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        if self._ranks.is_first:
            patiently(lambda: write_text(self._path, "".join(map(_line, rows))), self._patience_s)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """Return the rows of evaluations.jsonl in order, up to a line that a kill cut short; none if there is no such file."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    with storage_errors(path):
        lines = path.read_bytes().splitlines()
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _in_words(found: dict[str, Any]) -> str:
    bits = f", {found['bits_per_byte']:.3f} bits per byte" if "bits_per_byte" in found else ""
    return f"loss {found['loss']:.3f} nats a target{bits}"
