"""The part of the training documents that a tokenizer is trained on."""

from collections.abc import Iterator

import pyarrow.parquet as pq

from groundup.artifacts.documents import Documents
from groundup.artifacts.parquet import parquet_errors
from groundup.core.seeds import derive_seed


def choose_documents(documents: Documents, max_bytes: int, seed: int) -> frozenset[str] | None:
    """Return the ids of training documents that together hold at most `max_bytes`; None if all of them do.

    Documents are taken in the order of a hash of (seed, id), which knows nothing of sources or position, passing over those that
    do not fit any more; one is always taken.
    """
    sizes: dict[str, int] = {}
    for file in documents.files("train"):
        with parquet_errors(file):
            table = pq.read_table(file, columns=["id", "bytes"])
        sizes.update(zip(table["id"].to_pylist(), table["bytes"].to_pylist(), strict=True))
    if sum(sizes.values()) <= max_bytes:
        return None
    chosen: set[str] = set()
    left_bytes = max_bytes
    for name in sorted(sizes, key=lambda name: (derive_seed(seed, "tokenizer", name), name)):
        if sizes[name] <= left_bytes or not chosen:
            left_bytes -= sizes[name]
            chosen.add(name)
    return frozenset(chosen)


def sampled_texts(documents: Documents, max_bytes: int, seed: int) -> Iterator[str]:
    """Yield the texts of the chosen documents; a first one larger than `max_bytes` is cut there."""
    chosen = choose_documents(documents, max_bytes, seed)
    for document in documents.read("train"):
        if chosen is None:
            yield document.text
        elif document.id in chosen:
            yield document.text.encode()[:max_bytes].decode(errors="ignore")


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
