"""What encoding will take, said before it starts."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.artifacts.columns import numbers
from groundup.core.engines import Engine
from groundup.core.errors import BudgetError
from groundup.core.files import storage_errors
from groundup.core.units import format_bytes, format_seconds
from groundup.encode.pieces import PIECE_BYTES, Task, encoded_batches

IN_PROCESS_BYTES = 16 << 20
"""Text up to this size is encoded by the process itself: starting others would take longer."""
SAMPLE_BYTES = 400_000
LATER_SHARE = 0.1
"""Time of joining the pieces and hashing the streams over that of encoding (benchmarks/encode_speed.py)."""
START_S = 0.6
"""Processor time that a worker process takes to start."""
BASE_BYTES = 60 << 20
"""Of the process that joins the pieces, beside workers."""
WORKER_BYTES = 150 << 20
"""Of a process that encodes: the interpreter, its libraries, the tokenizer, one piece."""
_PIECE_RATIO = 4
"""Memory over text of what a piece is larger than usual: a long document is encoded whole."""


@dataclass(frozen=True)
class Sample:
    """What a little text came to."""

    text_bytes: int
    elapsed_s: float
    tokens: int
    piece_bytes: int
    """On disk until the artifact is whole."""


@dataclass(frozen=True)
class Forecast:
    """Predicted costs; wall time if the workers have a core each."""

    text_bytes: int
    pieces: int
    tokens: int
    elapsed_s: float
    memory_bytes: int
    disk_bytes: int
    """More than lies there already, while it works."""
    workers: int

    @property
    def is_long(self) -> bool:
        """Whether it takes more than a moment."""
        return self.text_bytes > IN_PROCESS_BYTES

    def words(self) -> str:
        costs = (format_bytes(self.memory_bytes) + " of memory", format_bytes(self.disk_bytes) + " of disk")
        workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        return (
            f"{format_bytes(self.text_bytes)} of text in {self.pieces:,} pieces: about {format_seconds(self.elapsed_s)} with "
            f"{workers}, {', '.join(costs)}"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "words": self.words()}


def forecast(tasks: Sequence[Task], todo: Sequence[Task], workers: int, engine: Engine | None = None) -> Forecast:
    """Encode samples of the first and the last piece, by the workers of an engine or here, and scale up by bytes.

    `todo` are the pieces that are not encoded yet: what is there from before costs neither time nor disk again.
    """
    chosen = [own[place] for own in (todo or tasks,) for place in (0, -1)]
    samples = [found for _, found in engine.run(sample, chosen)] if engine is not None else [sample(task) for task in chosen]
    seen = max(sum(found.text_bytes for found in samples), 1)
    tokens_per_byte = sum(found.tokens for found in samples) / seen
    ratio = sum(found.piece_bytes for found in samples) / seen
    rate = sum(found.elapsed_s for found in samples) / seen
    text, left = (sum(task.piece.text_bytes for task in some) for some in (tasks, todo))
    busy = max(min(workers, len(todo)), 1)
    tokens = round(tokens_per_byte * text)
    largest = max(task.piece.text_bytes for task in tasks)
    return Forecast(
        text_bytes=left,
        pieces=len(todo),
        tokens=tokens,
        elapsed_s=rate * (left / busy + LATER_SHARE * text) + START_S * (busy > 1),
        memory_bytes=BASE_BYTES + busy * (WORKER_BYTES + _PIECE_RATIO * max(largest - 2 * PIECE_BYTES, 0)),
        disk_bytes=round(ratio * left) + tokens * np.dtype(tasks[0].dtype).itemsize,
        workers=busy,
    )


def check_disk(found: Forecast, folder: Path) -> None:
    """Raise BudgetError if the disk has less room than is needed."""
    with storage_errors(folder):
        free = shutil.disk_usage(folder).free
    if free < found.disk_bytes:
        raise BudgetError(
            f"{folder}: {free:,} bytes are free there, and encoding {found.text_bytes:,} bytes of text takes about "
            f"{found.disk_bytes:,} while it works; choose an --out on another disk"
        )


def sample(task: Task) -> Sample:
    """Encode the beginning of a piece; of two times the shorter counts, as the first one also pays for what is made once."""
    return min((_encoded(task) for _ in range(2)), key=lambda found: found.elapsed_s)


def _encoded(task: Task) -> Sample:
    start_s = time.process_time()
    text_bytes = tokens = piece_bytes = 0
    for batch in encoded_batches(task):
        text_bytes += int(numbers(batch.column("bytes")).sum())
        tokens += len(batch.column("tokens").flatten())
        piece_bytes += batch.nbytes
        if text_bytes >= SAMPLE_BYTES:
            break
    return Sample(text_bytes, time.process_time() - start_s, tokens, piece_bytes)
