"""The last pass, part by part: what was decided is done, and what is kept is redacted and written."""

import functools
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from groundup.artifacts.documents import (
    BUCKETED_SCHEMA,
    CLUSTER_SCHEMA,
    CONTAMINATION_SCHEMA,
    DOCUMENT_SCHEMA,
    DROPPED_SCHEMA,
    EDIT_SCHEMA,
    REDACTION_SCHEMA,
)
from groundup.core.files import write_json
from groundup.core.memory import give_back
from groundup.curate.config import CurateConfig
from groundup.curate.drops import Drop, excerpt, shown
from groundup.curate.funnel import Funnel
from groundup.curate.groups.tally import GroupTally
from groundup.curate.ledger.examples import Examples
from groundup.curate.ledger.shares import binned
from groundup.curate.ledger.tallies import Tally, add_up, count
from groundup.curate.passes.decide import COPY, NEAR, TRAIN, VALIDATION, Decisions
from groundup.curate.passes.leaks import Overlaps, leaks, overlaps
from groundup.curate.passes.passages import Remover
from groundup.curate.passes.tables import ParquetTable
from groundup.curate.passes.work import PartTask, read_batches, whole_folder
from groundup.curate.privacy.redactor import Redactor
from groundup.curate.stages import stages_of

UNKNOWN = "unknown"
"""The language of a document whose source does not say it."""
_BYTES_PER_TOKEN = 4
"""Of English text with a vocabulary of tens of thousands of tokens; an estimate to plan with."""


@dataclass(frozen=True)
class WrittenPart:
    """Files that the last pass writes: tables of Parquet as the artifact has them, and counts."""

    folder: Path

    @property
    def documents(self) -> Path:
        return self.folder / "documents.parquet"

    @property
    def validation(self) -> Path:
        return self.folder / "validation.parquet"

    @property
    def dropped(self) -> Path:
        return self.folder / "dropped.parquet"

    @property
    def redactions(self) -> Path:
        return self.folder / "redactions.parquet"

    @property
    def clusters(self) -> Path:
        return self.folder / "clusters.parquet"

    @property
    def edits(self) -> Path:
        return self.folder / "edits.parquet"

    @property
    def contamination(self) -> Path:
        return self.folder / "contamination.parquet"

    @property
    def tally(self) -> Path:
        return self.folder / "tally.json"


def document_schema(config: CurateConfig) -> pa.Schema:
    """Return the columns of documents."""
    return BUCKETED_SCHEMA if config.perplexity.is_on else DOCUMENT_SCHEMA


def written(task: PartTask) -> WrittenPart:
    """Return what the pass made of the part."""
    return WrittenPart(task.work.folder("write", task.number))


def write_part(task: PartTask) -> None:
    """Write one part; nothing to do if that is there already."""
    if not written(task).folder.exists():
        with whole_folder(written(task).folder) as folder:
            _Writer(task, WrittenPart(folder)).run()
        give_back()


class _Writer:
    """Takes the documents of a part through the stages that come after the comparison."""

    def __init__(self, task: PartTask, out: WrittenPart) -> None:
        config = task.work.config
        self._task, self._out, self._config = task, out, config
        self._decisions = Decisions(task.work.folder("decide", task.number))
        self._fates = np.load(self._decisions.fates)
        self._similarities = np.load(self._decisions.similarities)
        self._twins, self._clusters = self._decisions.twin_ids(), self._decisions.cluster_ids()
        self._names = self._decisions.new_names()
        self._redactor = _redactor(config.model_dump_json()) if config.redact.is_on else None
        self._remover = Remover(task) if config.repeated_passages.is_on else None
        self._funnel = Funnel(stages_of(config))
        self._drops: list[tuple[int, Drop]] = []
        self._tally: Tally = {}
        self._examples = Examples()
        self._groups = GroupTally() if config.groups.enabled else None
        self._edits: list[tuple[int, tuple[Any, ...]]] = []
        self._edit_tally: Tally = {}

    def run(self) -> None:
        too_near, schema = self._leaks(), document_schema(self._config)
        with (
            ParquetTable(self._out.documents, schema) as documents,
            ParquetTable(self._out.validation, schema) as validation,
            ParquetTable(self._out.redactions, REDACTION_SCHEMA) as redactions,
            ParquetTable(self._out.clusters, CLUSTER_SCHEMA) as clusters,
        ):
            tables = {TRAIN: (documents, "documents"), VALIDATION: (validation, "validation")}
            first = 0
            for batch in read_batches(self._task.read.rows):
                rows = batch.to_pylist()
                for number, row in enumerate(rows, start=first):
                    row["id"] = self._names.get(row["record"], row["id"])
                    self._note_cluster(number, row["id"], clusters)
                    if self._is_kept(number, row, too_near) and self._is_left(number, row):
                        table, name = tables[int(self._fates[number])]
                        self._write(row, table, name, redactions)
                first += len(rows)
                for table in (documents, validation, redactions, clusters):
                    table.flush()
        self._write_drops()
        self._write_contamination()
        self._write_edits()
        tally = {"counts": self._tally, "funnel": self._funnel.to_tally(), "examples": self._examples.to_tally()}
        groups = self._groups.to_tally() if self._groups else {}
        write_json(self._out.tally, {**tally, "edits": self._edit_tally, "groups": groups})

    def _note_cluster(self, number: int, document_id: str, table: ParquetTable) -> None:
        cluster_id = self._clusters[number]
        if cluster_id is not None:
            twin_id = self._twins[number]
            similarity = float(self._similarities[number]) if twin_id is not None else None
            table.add((document_id, self._task.part.source, cluster_id, twin_id, similarity))

    def _leaks(self) -> Overlaps:
        """Return the documents to train on that are too near to one held out."""
        found = overlaps(self._task, self._fates)
        if self._config.validation:
            add_up(self._tally, {"leakage_shares": binned([overlap.containment for overlap in found.values()])})
        return leaks(self._task, found)

    def _is_kept(self, number: int, row: dict[str, Any], too_near: Overlaps) -> bool:
        """Count the document through the stages up to that of repeated passages, or drop it."""
        size = len(row["text"].encode())
        fate = int(self._fates[number])
        if self._config.deduplicate:
            if fate == COPY:
                return self._drop(row, size, "deduplicate", "exact_duplicate", 1, 1, self._twins[number])
            self._funnel.passed("deduplicate", size)
        if self._config.near_duplicates.enabled:
            if fate == NEAR:
                values = (float(self._similarities[number]), self._config.near_duplicates.threshold)
                return self._drop(row, size, "near_duplicates", "near_duplicate", *values, self._twins[number])
            self._funnel.passed("near_duplicates", size)
        if self._config.validation > 0:
            if number in too_near:
                values = (too_near[number].containment, self._config.leakage_threshold)
                return self._drop(row, size, "leakage", "near_duplicate_of_validation", *values, too_near[number].twin_id)
            self._funnel.passed("leakage", size)
        return True

    def _is_left(self, number: int, row: dict[str, Any]) -> bool:
        """Take repeated passages out of the document, or drop it if too little is left."""
        if self._remover is None:
            return True
        text, threshold = row["text"], self._config.repeated_passages.min_words
        size = len(text.encode())
        cut = self._remover.cut(number, text)
        if not cut.removed:
            self._funnel.passed("repeated_passages", size)
            return True
        words = len(cut.text.split())
        if words < threshold:
            return self._drop(row, size, "repeated_passages", "words_left", words, threshold, None)
        num_bytes = sum(len(text[start:end].encode()) for start, end in cut.removed)
        what = (row["id"], "repeated_passages", self._remover.kind, len(cut.removed), num_bytes)
        self._edits.append((row["record"], what))
        count(self._edit_tally, *what[1:3], documents=1, count=len(cut.removed), bytes=num_bytes)
        self._funnel.passed("repeated_passages", size, len(cut.text.encode()))
        row["text"] = cut.text
        return True

    def _drop(
        self, row: dict[str, Any], size: int, stage: str, rule: str, value: float, threshold: float, twin: str | None
    ) -> bool:
        drop = Drop(row["id"], self._task.part.source, stage, rule, value, threshold, twin, excerpt(row["text"]))
        self._drops.append((row["record"], drop))
        self._funnel.dropped(stage, rule, size)
        if self._groups:
            self._groups.dropped(stage, rule, row["groups"])
        return False

    def _write(self, row: dict[str, Any], table: ParquetTable, name: str, ledger: ParquetTable) -> None:
        text = row["text"]
        size = len(text.encode())
        if self._redactor:
            text, found = self._redactor.redact(text)
            before, size = size, len(text.encode())
            self._funnel.passed("redact", before, size)
            for one in found:
                ledger.add((row["id"], one.kind, one.start, one.end))
            for kind, places in Counter(one.kind for one in found).items():
                count(self._tally, "redactions_by_kind", kind, documents=1, places=places)
            count(self._tally, redactions=len(found))
        tokens = -(-size // _BYTES_PER_TOKEN)
        values = (row["id"], text, self._task.part.source, row["url"], row["language"], size, tokens, row["meta"])
        table.add((*values, row["perplexity"], row["bucket"]) if self._config.perplexity.is_on else values)
        count(self._tally, **{name: 1, f"{name}_bytes": size})
        count(self._tally, "languages", row["language"] or UNKNOWN, documents=1, bytes=size)

    def _write_drops(self) -> None:
        """Write the drops of all passes in the order of the records."""
        for batch in read_batches(self._task.read.drops):
            for row in batch.to_pylist():
                record = row.pop("record")
                row["id"] = self._names.get(record, row["id"])
                self._drops.append((record, Drop(**row, source=self._task.part.source)))
        with ParquetTable(self._out.dropped, DROPPED_SCHEMA) as table:
            for _, drop in sorted(self._drops, key=lambda found: found[0]):
                text = shown(drop.excerpt, self._redactor)
                what = (drop.stage, drop.rule, drop.value, drop.threshold)
                table.add((drop.id, drop.source, *what, drop.twin_id, text))
                self._examples.add(drop, text)
            count(self._tally, dropped=len(self._drops))

    def _write_edits(self) -> None:
        """Write what was taken out of documents that are kept to the end, in the order of the records and stages."""
        with ParquetTable(self._out.edits, EDIT_SCHEMA) as table:
            for _, what in heapq.merge(self._line_edits(), self._edits, key=lambda found: found[0]):
                table.add(what)

    def _line_edits(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield what rules about lines took out, by record."""
        dropped = {record for record, _ in self._drops}
        for batch in read_batches(self._task.read.edits):
            for row in batch.to_pylist():
                record = row.pop("record")
                if record not in dropped:
                    row["id"] = self._names.get(record, row["id"])
                    yield record, tuple(row[name] for name in EDIT_SCHEMA.names)

    def _write_contamination(self) -> None:
        """Write where items of benchmarks were found, under the names that the documents have now."""
        with ParquetTable(self._out.contamination, CONTAMINATION_SCHEMA) as table:
            for batch in read_batches(self._task.read.contamination):
                for row in batch.to_pylist():
                    table.add((self._names.get(row.pop("record"), row.pop("id")), *row.values()))
                table.flush()


@functools.lru_cache(maxsize=1)
def _redactor(config: str) -> Redactor:
    """Return a worker's redactor."""
    return Redactor(CurateConfig.model_validate_json(config).redact)
