"""What a curation will take, said before it starts."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundup.artifacts.documents import Document
from groundup.core.engines import Engine
from groundup.core.errors import BudgetError
from groundup.core.files import storage_errors
from groundup.core.units import format_bytes, format_seconds
from groundup.curate.dedup.config import PassageKind
from groundup.curate.drops import Drop
from groundup.curate.passes.read import PartReader
from groundup.curate.passes.work import PartTask, ReadPart, Work

SAMPLE_CHARS = 400_000
LATER_SHARE = 0.6
"""Time of the passes after the first over that of the first (benchmarks/curate/speed.py)."""
DISK_RATIO = 2.6
"""Bytes on disk, while it works, over bytes of text read: compressed rows, shingles (the most), keys, results."""
PASSAGES_SHARE = 0.4
"""The same of the passes that find repeated passages, if they are asked for, at most (docs/deduplication.md)."""
PASSAGES_DISK_RATIO: dict[PassageKind, float] = {"three_sentences": 0.1, "lines": 0.1, "windows": 1.5, "substrings": 0.1}
"""Bytes on disk of their hashes, 8 a passage, over bytes of text."""
WORKER_BYTES = 150 << 20
"""Of a worker process beside what it sorts and compares: the interpreter, its libraries, one part at a time."""


@dataclass(frozen=True)
class Forecast:
    """Predicted costs; wall time if the workers have a core each."""

    text_bytes: int
    parts: int
    elapsed_s: float
    memory_bytes: int
    disk_bytes: int
    workers: int

    @property
    def is_long(self) -> bool:
        """Whether it takes more than a moment."""
        return self.parts > 1

    def words(self) -> str:
        """Return it in a line for a person."""
        costs = (format_bytes(self.memory_bytes) + " of memory", format_bytes(self.disk_bytes) + " of disk")
        counted = ((self.parts, "part"), (self.workers, "worker"))
        parts, workers = (f"{count:,} {what}{'s' if count > 1 else ''}" for count, what in counted)
        time = f"about {format_seconds(self.elapsed_s)} with {workers}"
        return f"{format_bytes(self.text_bytes)} of text in {parts}: {time}, {', '.join(costs)}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "words": self.words()}


def forecast(work: Work, tasks: Sequence[PartTask], engine: Engine) -> Forecast:
    """Let the workers read samples of the first and the last part, and scale up by bytes."""
    text_bytes = sum(task.part.num_bytes for task in tasks)
    rates = [rate for _, rate in engine.run(sample_rate, [tasks[0], tasks[-1]])]
    busy = min(engine.workers, len(tasks))
    kind = work.config.repeated_passages.kind
    later, disk = (PASSAGES_SHARE, PASSAGES_DISK_RATIO[kind]) if kind else (0.0, 0.0)
    return Forecast(
        text_bytes=text_bytes,
        parts=len(tasks),
        elapsed_s=sum(rates) / len(rates) * text_bytes * (1 + LATER_SHARE + later) / busy,
        memory_bytes=busy * WORKER_BYTES + work.memory_bytes,
        disk_bytes=int((DISK_RATIO + disk) * text_bytes),
        workers=busy,
    )


def check_disk(found: Forecast, folder: Path) -> None:
    """Raise BudgetError if the disk has less room than is needed; what an interrupted run left in `folder` is needed no more."""
    with storage_errors(folder):
        free, missing = shutil.disk_usage(folder).free, found.disk_bytes
        if free < missing:
            missing -= sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if free < missing:
        raise BudgetError(
            f"{folder}: {free:,} bytes are free there, and curating {found.text_bytes:,} bytes of text takes about "
            f"{missing:,} more while it works; choose an --out on another disk, or curate the sources in several runs"
        )


def sample_rate(task: PartTask) -> float:
    """Return seconds a character of text in the first pass; 0 if the part holds no text.

    A part of less text than a sample is one that is read to its end: most of it may be no text, as one line that is too long.
    """
    sample: list[Document | Drop] = []
    num_chars = 0
    source = task.work.open_source(task.position)
    for found in source.read_part(task.part, task.work.scratch / "divided"):
        sample.append(found)
        num_chars += len(found.text) if isinstance(found, Document) else 0
        if num_chars >= SAMPLE_CHARS:
            break
    stands_for = num_chars if num_chars >= SAMPLE_CHARS else max(num_chars, task.part.num_bytes)
    return min(_read_s(task, sample) for _ in range(2)) / stands_for if num_chars else 0.0


def _read_s(task: PartTask, sample: list[Document | Drop]) -> float:
    """Return the processor time of the first pass; a first call also pays for tables that are made once."""
    with tempfile.TemporaryDirectory(dir=task.work.scratch) as folder:
        reader = PartReader(task, ReadPart(Path(folder)))
        start_s = time.process_time()
        reader.run(sample)
        return time.process_time() - start_s
