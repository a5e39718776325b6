"""The table of all that is dropped, written as the stages find it."""

import dataclasses
from collections import Counter
from pathlib import Path
from types import TracebackType

from groundup.artifacts.documents import DROPPED_SCHEMA
from groundup.curate.drops import Drop
from groundup.curate.funnel import Funnel
from groundup.curate.privacy.redactor import Redactor
from groundup.curate.sink import ParquetSink


class DropLog:
    """Writes every drop to the dropped table, counts it in the funnel, with its excerpt redacted as texts are."""

    def __init__(self, folder: Path, funnel: Funnel, redactor: Redactor) -> None:
        self._sink = ParquetSink(folder, DROPPED_SCHEMA)
        self._funnel, self._redactor = funnel, redactor
        self.by_source: Counter[str] = Counter()

    def __enter__(self) -> "DropLog":
        self._sink.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sink.__exit__(kind, error, trace)

    def add(self, drop: Drop, num_bytes: int) -> None:
        """Record the drop of a document of `num_bytes` bytes."""
        drop = dataclasses.replace(drop, excerpt=self._redactor.redact(drop.excerpt)[0])
        self._sink.write(dataclasses.asdict(drop), len(drop.excerpt))
        self._funnel.dropped(drop.stage, drop.rule, num_bytes)
        self.by_source[drop.source] += 1
