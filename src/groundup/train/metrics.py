"""metrics.jsonl: one object a step, each step once."""

import contextlib
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.core.errors import ArtifactError
from groundup.core.files import append_text, storage_errors, write_text
from groundup.core.patience import patiently
from groundup.train.memory import PeakMemory
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import StepResult


@dataclass(frozen=True)
class Efficiency:
    """What turns steps a second into tokens a second and model FLOPs utilisation (MFU; Chowdhery et al. 2022, appendix B)."""

    step_tokens: Callable[[int], int]
    """Tokens of text that update number n (0-based) is made from."""
    flops_per_token: Callable[[int], float]
    """Of that update."""
    peak_flops_per_s: float
    """Measured for matrix products in the run's precision."""


class MetricsLog:
    """Appends to metrics.jsonl; knows the run's time, speed and memory from its rows.

    Of many processes all have the rows, and the first writes them; the peak memory is the largest of all.
    """

    def __init__(
        self,
        path: Path,
        efficiency: Efficiency,
        memory: PeakMemory,
        patience_s: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
        ranks: Ranks = ALONE,
    ) -> None:
        self._path = path
        self._ranks = ranks
        self._efficiency = efficiency
        self._memory = memory
        self._patience_s = patience_s
        self._rows: list[dict[str, Any]] = []
        self._clock = clock
        self._begun_s = self._ended_s = clock()
        self._hooks_s = 0.0

    def begin(self, steps_done: int) -> None:
        """Keep the rows of the first `steps_done` steps and start the clock of the next one.

        Raises ArtifactError if rows are missing: tokens and times could not be counted on.
        """
        self._rows = self._ranks.agreed(read_rows(self._path)[:steps_done] if self._ranks.is_first else [])
        if [row["step"] for row in self._rows] != list(range(1, steps_done + 1)):
            raise ArtifactError(
                f"{self._path}: damaged after row {len(self._rows):,}, the checkpoint is of step {steps_done:,}; put it back, "
                "or train anew: 'groundup run' with --from pretrain, or another --out"
            )
        self._write()
        self._ended_s = self._clock()
        self._begun_s = self._ended_s - (self._rows[-1].get("elapsed_s", 0.0) if self._rows else 0.0)

    def _write(self) -> None:
        if self._ranks.is_first:
            write_text(self._path, "".join(json.dumps(row) + "\n" for row in self._rows))

    def _append(self, row: dict[str, Any]) -> None:
        if self._ranks.is_first:
            append_text(self._path, json.dumps(row, allow_nan=False) + "\n")

    @property
    def tokens(self) -> int:
        """Tokens seen so far."""
        return int(self._rows[-1]["tokens"]) if self._rows else 0

    @property
    def elapsed_s(self) -> float:
        """The loop's time so far, over all resumes; steps that were taken back count, but not what was lost in a kill."""
        return self._clock() - self._begun_s

    def go_back(self, steps_done: int) -> list[dict[str, Any]]:
        """Forget the rows after the first `steps_done` steps; return what they told of healing, which goes with a later row."""
        forgotten, self._rows = self._rows[steps_done:], self._rows[:steps_done]
        patiently(self._write, self._patience_s)
        return [event for row in forgotten for event in row["events"] if isinstance(event, dict)]

    def record(
        self,
        step: int,
        result: StepResult,
        learning_rate: float,
        update_ratio: float,
        events: Sequence[str | dict[str, Any]] = (),
        data_wait_s: float = 0.0,
    ) -> dict[str, Any]:
        """Append and return the row of the step that just ended; its time runs from the end of the step before."""
        now_s = self._clock()
        step_s, self._ended_s = now_s - self._ended_s, now_s
        tokens = self._efficiency.step_tokens(step - 1)
        tokens_per_s = tokens / step_s
        row = {
            "step": step,
            "tokens": self.tokens + tokens,
            "targets": result.targets,
            "loss": result.loss,
            "lr": learning_rate,
            "grad_norm": None if result.overflow else result.grad_norm,
            "update_ratio": update_ratio if math.isfinite(update_ratio) else None,
            "tokens_per_s": tokens_per_s,
            "mfu": self._efficiency.flops_per_token(step - 1) * tokens_per_s / self._efficiency.peak_flops_per_s,
            "peak_memory_bytes": max(
                int(self._ranks.most(self._memory.bytes())), self._rows[-1]["peak_memory_bytes"] if self._rows else 0
            ),
            "step_s": step_s,
            "elapsed_s": now_s - self._begun_s,
            "data_wait_s": data_wait_s,
            "hooks_s": self._hooks_s,
            "events": [*events, "overflow"] if result.overflow else list(events),
        }
        if result.loss_scale is not None:
            row["loss_scale"] = result.loss_scale
        self._hooks_s = 0.0
        self._rows.append(row)
        patiently(lambda: self._append(row), self._patience_s)
        return row

    def tell(self, event: str) -> None:
        """Add to the events of the newest step what a hook found after it was written."""
        self._rows[-1]["events"].append(event)
        patiently(self._write, self._patience_s)

    @contextlib.contextmanager
    def hooks_at_work(self) -> Iterator[None]:
        """Count the time of the block as that of hooks (`hooks_s` of the next row), not as the next step's."""
        start_s = self._clock()
        yield
        self._hooks_s += self._clock() - start_s
        self._ended_s = self._clock()

    def sync(self) -> None:
        """Put all rows on disk: a checkpoint must not outlive them."""
        with storage_errors(self._path), self._path.open("rb") as file:
            os.fsync(file.fileno())

    def summary(self) -> dict[str, float]:
        """Return train_s (summed over resumes, redone steps once), median_step_s, tokens_per_s and mfu of the median step.

        data_wait_share and hooks_share are shares of train_s: steps waiting for their batches, and hooks at work between steps.
        """
        median = statistics.median_low([row["step_s"] for row in self._rows])
        row = next(row for row in self._rows if row["step_s"] == median)
        hooks_s = self._hooks_s + sum(row.get("hooks_s", 0.0) for row in self._rows)
        train_s = sum(row["step_s"] for row in self._rows) + hooks_s
        return {
            "train_s": train_s,
            "hooks_share": hooks_s / train_s,
            "data_wait_share": sum(row.get("data_wait_s", 0.0) for row in self._rows) / train_s,
            "median_step_s": median,
            "tokens_per_s": row["tokens_per_s"],
            "mfu": row["mfu"],
        }

    def final_loss(self, steps: int = 20) -> float:
        """Return the mean loss of the last `steps` steps [nats/token]."""
        return statistics.fmean(row["loss"] for row in self._rows[-steps:])

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory that any step had seen, over all resumes."""
        return int(self._rows[-1]["peak_memory_bytes"])


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics file in order, up to a line that a kill cut short or that is no row."""
    if not path.exists():
        return []
    with storage_errors(path):
        lines = path.read_bytes().splitlines()
    rows: list[dict[str, Any]] = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not (isinstance(row, dict) and {"step", "tokens", "loss", "step_s"} <= row.keys()):
            break
        rows.append(row)
    return rows
