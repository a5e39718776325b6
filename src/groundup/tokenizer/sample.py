"""The part of the training documents that a tokenizer is trained on."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.documents import Documents
from groundup.artifacts.parquet import parquet_errors
from groundup.core.seeds import derive_seed

Place = tuple[int, str]
"""Of a document in the order of a hash of (seed, id), which knows nothing of sources or of where it stands."""
_ROWS = 256


@dataclass(frozen=True)
class Share:
    """The documents up to a place; of the last as many bytes as fit."""

    last: Place
    last_bytes: int


def place_of(document_id: str, seed: int) -> Place:
    """Return where the document stands in the order."""
    return derive_seed(seed, "tokenizer", document_id), document_id


def choose_share(documents: Documents, max_bytes: int, seed: int) -> Share | None:
    """Return which training documents together hold `max_bytes`; None if all of them hold no more.

    Memory grows with the documents of the share, not with those it is chosen from.
    """
    kept: list[tuple[int, int, str]] = []  # (-number, bytes, id), the last place first, where heapq keeps the smallest
    kept_bytes = 0
    whole = True
    for batch in _batches(documents, ["id", "bytes"]):
        for document_id, size in zip(batch["id"].to_pylist(), batch["bytes"].to_pylist(), strict=True):
            heapq.heappush(kept, (-place_of(document_id, seed)[0], size, document_id))
            kept_bytes += size
            while kept_bytes - kept[0][1] >= max_bytes:
                kept_bytes -= heapq.heappop(kept)[1]
                whole = False
    if whole and kept_bytes <= max_bytes:
        return None
    number, size, last = kept[0]
    return Share((-number, last), max_bytes - (kept_bytes - size))


def sampled_texts(documents: Documents, max_bytes: int, seed: int) -> Iterator[str]:
    """Yield the texts of the share; the last is cut where the share is full."""
    share = choose_share(documents, max_bytes, seed)
    for batch in _batches(documents, ["id", "text"]):
        if share is None:
            yield from batch["text"].to_pylist()
            continue
        places = [place_of(document_id, seed) for document_id in batch["id"].to_pylist()]
        chosen = pa.array([number for number, place in enumerate(places) if place <= share.last], pa.int64())
        for number, text in zip(chosen.to_pylist(), batch["text"].take(chosen).to_pylist(), strict=True):
            yield text if places[number] < share.last else text.encode()[: share.last_bytes].decode(errors="ignore")


def _batches(documents: Documents, columns: list[str]) -> Iterator[Any]:
    """Yield the training documents' columns, some rows at a time."""
    for file in documents.files("train"):
        with parquet_errors(file), pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=_ROWS, columns=columns)


class Sample:
    """The chosen texts, which can be read again and again; counts them when they are read to the end."""

    def __init__(self, documents: Documents, max_bytes: int, seed: int) -> None:
        self._order = (documents, max_bytes, seed)
        self.documents = self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        num_documents = num_bytes = 0
        for text in sampled_texts(*self._order):
            num_documents += 1
            num_bytes += len(text.encode())
            yield text
        self.documents, self.bytes = num_documents, num_bytes
