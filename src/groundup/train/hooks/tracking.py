"""A tracker kept up to date with metrics.jsonl and evaluations.jsonl."""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from groundup.core.log import say
from groundup.train.hooks.config import TrackerName
from groundup.train.hooks.hook import Row
from groundup.train.hooks.trackers.table import open_tracker
from groundup.train.hooks.trackers.tracker import Place, Tracker, Values
from groundup.train.metrics import read_rows

SEND_S = 5.0
"""Between two sendings, so that a slow tool costs little."""
MEASURED = (
    *("loss", "lr", "grad_norm", "update_ratio", "tokens", "targets", "tokens_per_s", "mfu"),
    *("peak_memory_bytes", "step_s", "elapsed_s", "data_wait_s", "hooks_s"),
)


class Tracking:
    """A hook that sends each step once, a few seconds' worth at a time.

    How far it came is noted beside the metrics, so that after an interruption what is missing is sent from their rows. A step that
    comes again after a rollback is not sent again: tools keep what they were told first. Whatever goes wrong over there is told
    once, and the run goes on without the tracker.
    """

    def __init__(
        self,
        name: TrackerName,
        place: Place,
        metrics: Path,
        evaluations: Callable[[], Sequence[Mapping[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._note = metrics.with_name(f"tracker-{name}.json")
        self._metrics = metrics
        self._evaluations = evaluations
        self._clock = clock
        self._tracker: Tracker | None = None
        self._pending: list[Row] | None = None
        self._sent_s = clock()
        noted = _read_note(self._note)
        self._id, self._sent = noted.get("id", place.id), int(noted.get("step", 0))
        with self._safely():
            given = {"id": self._id, "given_id": noted.get("given_id"), "first_step": self._sent + 1}
            self._tracker = open_tracker(name, replace(place, **given))

    def __call__(self, row: Row) -> str | None:
        """Take the step, and send what is pending if it is time to."""
        if self._tracker is not None:
            with self._safely():
                self._take(row)
                if row["last"] or self._clock() - self._sent_s >= SEND_S:
                    self._send(self._tracker)
        return None

    def close(self) -> None:
        """Send what is pending, and finish."""
        tracker = self._tracker
        if tracker is not None:
            with self._safely():
                self._send(tracker)
                tracker.close()
        self._tracker = None

    def _take(self, row: Row) -> None:
        if self._pending is None:
            self._pending = read_rows(self._metrics)
        elif not self._pending or self._pending[-1]["step"] < row["step"]:
            self._pending.append(row)
        else:
            self._pending = [*(known for known in self._pending if known["step"] < row["step"]), row]

    def _send(self, tracker: Tracker) -> None:
        rows = [row for row in self._pending or () if row["step"] > self._sent]
        self._pending, self._sent_s = [] if self._pending is not None else None, self._clock()
        if rows:
            scores = {found["step"]: found for found in self._evaluations()}
            tracker.send([values_of(row, scores.get(row["step"])) for row in rows])
            self._sent = rows[-1]["step"]
            note = {"id": self._id, "given_id": tracker.id or self._id, "step": self._sent}
            self._note.write_text(json.dumps(note))

    @contextlib.contextmanager
    def _safely(self) -> Iterator[None]:
        """Let nothing of the block reach the run: no error, no random number drawn, nothing on stdout."""
        try:
            with contextlib.redirect_stdout(sys.stderr), torch.random.fork_rng(range(torch.cuda.device_count())):
                yield
        except Exception as error:  # whatever a tool raises
            self._tracker = None
            why = " ".join(str(error).split())[:200] or type(error).__name__
            say(f"  {self._name}: {why}; the run goes on without it, its metrics are in {self._metrics}", style="yellow")


def new_place(folder: Path, name: str, settings: Mapping[str, Any]) -> Place:
    """Return the place of a run that no tracker knows yet."""
    return Place(folder, name, uuid.uuid4().hex[:10], dict(_flat(settings)))


def values_of(row: Mapping[str, Any], score: Mapping[str, Any] | None) -> Values:
    """Return the step with what was measured in it, under names that tools group by their first part."""
    values = {f"train/{name}": row[name] for name in MEASURED if row.get(name) is not None}
    if score is not None:
        values |= {f"held_out/{name}": score[name] for name in ("loss", "perplexity", "bits_per_byte") if name in score}
        for source, part in score["by_source"].items():
            values |= {f"held_out/{source}/{name}": part[name] for name in ("loss", "bits_per_byte") if name in part}
    return row["step"], values


def _read_note(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
