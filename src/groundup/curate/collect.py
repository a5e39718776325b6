"""The first pass: read the sources and put what keeps the rules, normalised, into a scratch table."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from groundup.artifacts.documents import DOCUMENT_SCHEMA, Document
from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.core.progress import progress
from groundup.curate.config import CurateConfig
from groundup.curate.dedup import FirstCopies, document_key
from groundup.curate.droplog import DropLog
from groundup.curate.drops import Drop, excerpt
from groundup.curate.funnel import Funnel
from groundup.curate.normalise import normalise
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import Judge
from groundup.curate.sink import ParquetSink
from groundup.curate.sources.base import Source, SourceFile

KEY = "key"
SCRATCH_SCHEMA = DOCUMENT_SCHEMA.append(pa.field(KEY, pa.binary()))


@dataclasses.dataclass(frozen=True)
class Collected:
    """What must be known of all documents before the second pass can decide about one."""

    first_copies: FirstCopies
    ids: list[str]
    """Of all documents in the scratch table."""


class Collector:
    """Takes documents one by one through normalisation and rules."""

    def __init__(self, config: CurateConfig, funnel: Funnel, drops: DropLog, scratch: ParquetSink) -> None:
        self._config, self._funnel, self._drops, self._scratch = config, funnel, drops, scratch
        self._judge = Judge(chosen_sets(config))
        self._seen_ids: set[str] = set()
        self.result = Collected(FirstCopies(), [])

    def read(self, sources: Sequence[Source]) -> Collected:
        """Read all files of all sources; raise DataError for a source in which nothing is text."""
        files = [source.files() for source in sources]
        total = sum(_size(file) for inner in files for file in inner)
        with progress("reading and filtering", max(total, 1)) as bar:
            for position, (source, inner) in enumerate(zip(sources, files, strict=True)):
                num_texts, first_problem = 0, ""
                for file in inner:
                    for found in source.read(file):
                        taken = self._take(found, position)
                        num_texts += taken is None
                        first_problem = first_problem or (f"{taken.rule}: {taken.excerpt}" if taken else "")
                    bar.advance(_size(file), f"{len(self.result.ids):,} documents kept")
                if not num_texts:
                    what = first_problem or "its files hold no documents"
                    raise DataError(f"source '{source.config.name}' has no usable text: {what}")
        return self.result

    def _take(self, found: Document | Drop, position: int) -> Drop | None:
        """Pass one document on; return the drop if it was no text at all."""
        found = dataclasses.replace(found, id=self._unique(found.id, found.source))
        if isinstance(found, Document) and not found.text.strip():
            found = Drop(found.id, found.source, "collect", "empty", 0, 1, excerpt=f"{found.meta}: no text in it")
        if isinstance(found, Drop):
            self._drops.add(found, 0)
            return found
        size = len(found.text.encode())
        self._funnel.passed("collect", size)
        document = self._normalised(found, size) if self._config.normalise else found
        document = self._judged(document) if document is not None else None
        if document is not None:
            self._store(document, position)
        return None

    def _unique(self, document_id: str, source: str) -> str:
        """Return the id, with the source's name before it or a number behind it if it is taken."""
        candidate, number = document_id, 1
        if candidate in self._seen_ids and not document_id.startswith(f"{source}:"):
            document_id = candidate = f"{source}:{document_id}"
        while candidate in self._seen_ids:
            number += 1
            candidate = f"{document_id}#{number}"
        self._seen_ids.add(candidate)
        return candidate

    def _normalised(self, document: Document, size: int) -> Document | None:
        text = normalise(document.text)
        if not text.strip():
            drop = Drop(document.id, document.source, "normalise", "empty", 0, 1, excerpt="only control characters and space")
            self._drops.add(drop, size)
            return None
        self._funnel.passed("normalise", size, len(text.encode()))
        return dataclasses.replace(document, text=text)

    def _judged(self, document: Document) -> Document | None:
        """Return the document as the rules leave it, None if it breaks one."""
        (verdict,) = self._judge.judge([document.text])
        size = len(document.text.encode())
        for rule_set in self._judge.rule_sets:
            found = verdict.broken
            if found and found.rule_set == rule_set.name:
                what = (rule_set.name, found.rule.name, found.value, found.rule.threshold)
                self._drops.add(Drop(document.id, document.source, *what, excerpt=excerpt(document.text)), size)
                return None
            self._funnel.passed(rule_set.name, size)
        return dataclasses.replace(document, text=verdict.text)

    def _store(self, document: Document, position: int) -> None:
        key = document_key(document.text)
        self.result.first_copies.add(key, position, document.id)
        self.result.ids.append(document.id)
        self._scratch.write({**document_row(document), KEY: key}, len(document.text))


def _size(file: SourceFile) -> int:
    with storage_errors(file.path):
        return file.path.stat().st_size


def document_row(document: Document) -> dict[str, str | int | None]:
    """Return the document as a row of the documents table."""
    size = len(document.text.encode())
    return {**dataclasses.asdict(document), "bytes": size, "tokens_estimate": -(-size // _BYTES_PER_TOKEN)}


_BYTES_PER_TOKEN = 4
"""Of English text with a vocabulary of tens of thousands of tokens; an estimate to plan with."""


def collect(sources: Sequence[Source], config: CurateConfig, funnel: Funnel, drops: DropLog, folder: Path) -> Collected:
    """Write what the sources hold and the rules let through into a table in `folder`."""
    with ParquetSink(folder, SCRATCH_SCHEMA) as scratch:
        return Collector(config, funnel, drops, scratch).read(sources)
