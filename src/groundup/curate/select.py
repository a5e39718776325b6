"""The second pass: one copy of each document, redacted, to the validation split or to training if nothing leaks."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundup.artifacts.documents import DOCUMENT_SCHEMA, REDACTION_SCHEMA, SPLIT_FOLDERS, Document, Split
from groundup.core.progress import progress
from groundup.curate.collect import KEY, Collected, document_row
from groundup.curate.config import CurateConfig
from groundup.curate.droplog import DropLog
from groundup.curate.drops import Drop, excerpt
from groundup.curate.funnel import Funnel
from groundup.curate.leakage import LeakageIndex
from groundup.curate.privacy.redactor import Redaction, Redactor
from groundup.curate.sink import ParquetSink, read_rows
from groundup.curate.split import choose_validation


class Selection:
    """Writes the two splits; counts what it wrote by (split, source)."""

    def __init__(self, config: CurateConfig, funnel: Funnel, drops: DropLog, redactor: Redactor, out: Path) -> None:
        self._redactor = redactor
        self._config, self._funnel, self._drops, self._out = config, funnel, drops, out
        self._index = LeakageIndex()
        self.num_documents: Counter[tuple[Split, str]] = Counter()
        self.num_bytes: Counter[tuple[Split, str]] = Counter()
        self.num_redactions = 0

    def write(self, scratch: Path, collected: Collected, seed: int) -> None:
        """Write the validation documents first, then the others, each checked against all of them."""
        kept = collected.first_copies if self._config.deduplicate else collected.ids
        held_out = choose_validation(kept, seed, self._config.validation)
        with (
            ParquetSink(self._out / "redactions", REDACTION_SCHEMA) as ledger,
            progress("splitting and redacting", 2 * len(collected.ids)) as bar,
        ):
            for split in ("validation", "train"):
                with ParquetSink(self._out / SPLIT_FOLDERS[split], DOCUMENT_SCHEMA) as sink:
                    for row in read_rows(scratch):
                        bar.advance()
                        if (row["id"] in held_out) == (split == "validation"):
                            for document, redactions in self._cleaned(row, collected):
                                if self._write(split, document, sink):
                                    self._note(document, redactions, ledger)

    def _cleaned(self, row: dict[str, Any], collected: Collected) -> Iterator[tuple[Document, list[Redaction]]]:
        """Yield the document redacted, or nothing if it is a copy."""
        size, key = row.pop("bytes"), row.pop(KEY)
        del row["tokens_estimate"]
        document = Document(**row)
        if self._config.deduplicate:
            kept_id = collected.first_copies.kept_id(key)
            if kept_id != document.id:
                copy = Drop(document.id, document.source, "deduplicate", "exact_duplicate", 1, 1, kept_id, excerpt(document.text))
                self._drops.add(copy, size)
                return
            self._funnel.passed("deduplicate", size)
        redactions: list[Redaction] = []
        if self._config.redact.is_on:
            text, redactions = self._redactor.redact(document.text)
            self._funnel.passed("redact", size, len(text.encode()))
            document = dataclasses.replace(document, text=text)
        yield document, redactions

    def _note(self, document: Document, redactions: list[Redaction], ledger: ParquetSink) -> None:
        self.num_redactions += len(redactions)
        for found in redactions:
            ledger.write({"id": document.id, "kind": found.kind, "start": found.start, "end": found.end}, 0)

    def _write(self, split: Split, document: Document, sink: ParquetSink) -> bool:
        """Write the document and return True, or drop it and return False if it leaks."""
        row = document_row(document)
        size = len(document.text.encode())
        if split == "validation":
            self._index.add(document.id, document.text)
        elif self._leaks(document, size):
            return False
        if self._config.validation > 0:
            self._funnel.passed("leakage", size)
        sink.write(row, len(document.text))
        self.num_documents[split, document.source] += 1
        self.num_bytes[split, document.source] += size
        return True

    def _leaks(self, document: Document, size: int) -> bool:
        overlap = self._index.overlap(document.text)
        threshold = self._config.leakage_threshold
        if overlap is None or overlap.containment < threshold:
            return False
        drop = Drop(
            document.id,
            document.source,
            "leakage",
            "near_duplicate_of_validation",
            overlap.containment,
            threshold,
            overlap.twin_id,
            excerpt(document.text),
        )
        self._drops.add(drop, size)
        return True
