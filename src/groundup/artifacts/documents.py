"""Documents: curated text with its validation split, what was dropped, what was redacted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.parquet import parquet_errors
from groundup.core.files import read_object

Split = Literal["train", "validation"]
SPLIT_FOLDERS: dict[Split, str] = {"train": "documents", "validation": "validation"}

FUNNEL = "funnel.json"
DATA_CARD, DATA_CARD_TEXT = "data_card.json", "data_card.md"
"""The corpus for whoever meets it first, for programs and for people."""

DOCUMENT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("language", pa.string()),
        ("bytes", pa.int64()),
        ("tokens_estimate", pa.int64()),
        ("meta", pa.string()),
    ]
)
BUCKETED_SCHEMA = pa.schema([*DOCUMENT_SCHEMA, ("perplexity", pa.float64()), ("bucket", pa.string())])
"""Of documents that were divided by perplexity: null in a language without a model."""
DROPPED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("twin_id", pa.string()),
        ("excerpt", pa.string()),
    ]
)
CONTAMINATION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("item_id", pa.string()),
        ("shared", pa.int64()),
        ("of", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
"""A row for each place in a document that an item of a benchmark was found in: characters of the text before redaction."""
REDACTION_SCHEMA = pa.schema([("id", pa.string()), ("kind", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
CLUSTER_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("cluster_id", pa.string()),
        ("twin_id", pa.string()),
        ("similarity", pa.float64()),
    ]
)
EDIT_SCHEMA = pa.schema(
    [("id", pa.string()), ("stage", pa.string()), ("rule", pa.string()), ("count", pa.int64()), ("bytes", pa.int64())]
)


@dataclass(frozen=True)
class Document:
    """One text with where it came from. `meta` is a JSON object as text."""

    id: str
    text: str
    source: str
    url: str | None = None
    language: str | None = None
    meta: str = "{}"
    perplexity: float | None = None
    bucket: str | None = None
    """Head, middle or tail by perplexity, if they were asked for."""


@dataclass(frozen=True)
class Documents(Artifact):
    """The curate stage's artifact."""

    kind: ClassVar[str] = "documents"

    def files(self, split: Split) -> list[Path]:
        """Return the split's Parquet files in order."""
        folder = SPLIT_FOLDERS[split] + "/"
        return [self.path / name for name in sorted(self.manifest.files) if name.startswith(folder) and name.endswith(".parquet")]

    def read(self, split: Split, batch: int = 256) -> Iterator[Document]:
        """Yield the split's documents in the order in which they were read, in bounded memory."""
        for file in self.files(split):
            yield from read_documents(file, batch)

    @property
    def funnel(self) -> dict[str, Any]:
        """What each stage let through and dropped, rule by rule."""
        return read_object(self.path / FUNNEL)


def read_documents(file: Path, batch: int = 256) -> Iterator[Document]:
    """Yield the documents of one Parquet file."""
    with parquet_errors(file), pq.ParquetFile(file) as parquet:
        for rows in parquet.iter_batches(batch_size=batch, columns=["id", "text", "source", "url", "language", "meta"]):
            for row in rows.to_pylist():
                yield Document(**row)
