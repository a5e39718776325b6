"""The parts that documents are encoded in: row groups of their files, each on disk by itself until all are there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundup.artifacts.columns import column, mask, numbers
from groundup.artifacts.documents import Documents, Split
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.parquet import parquet_errors
from groundup.artifacts.token_shards import TokenDtype
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError
from groundup.core.files import hash_json, storage_errors, write_bytes
from groundup.encode.draw import Marks, marks_of

PIECE_BYTES = 8 << 20
"""Text of a piece: what a kill loses, and what a worker holds the tokens of."""
_BATCH_BYTES = 4 << 20
SOURCES_FILE = "sources.json"
_FORM = 1
"""Raised when pieces are written otherwise."""
Tokens = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class Piece:
    """Row groups of a file that follow each other."""

    split: Split
    file: Path
    groups: range
    documents: int
    text_bytes: int
    key: str
    """Hash of what decides its tokens: the file's content, the row groups, the tokenizer."""

    def __str__(self) -> str:
        return f"{self.file} (row groups {self.groups.start} to {self.groups.stop - 1})"

    def path(self, folder: Path) -> Path:
        """Return where it lies once it is encoded."""
        return folder / f"{self.key}.arrow"


@dataclass(frozen=True)
class Task:
    """A piece to encode, with all that a worker needs."""

    piece: Piece
    folder: Path
    tokenizer: Path
    dtype: TokenDtype
    batch_documents: int
    sources: frozenset[str]


def cut(documents: Documents, split: Split, tokenizer_hash: str) -> list[Piece]:
    """Return the pieces of a split in order, each about PIECE_BYTES of text and at least one row group."""
    pieces = []
    for file in documents.files(split):
        content = documents.manifest.files[file.relative_to(documents.path).as_posix()].sha256
        with parquet_errors(file):
            metadata = pq.read_metadata(file)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        for run in _runs([_text_bytes(group) for group in groups]):
            key = hash_json([_FORM, content, run.start, run.stop, tokenizer_hash])
            rows, size = sum(groups[number].num_rows for number in run), sum(_text_bytes(groups[number]) for number in run)
            pieces.append(Piece(split, file, run, rows, size, key))
    return pieces


def _runs(sizes: list[int]) -> Iterator[range]:
    """Yield ranges of neighbours that come to PIECE_BYTES, or all that is left."""
    first = total = 0
    for number, size in enumerate(sizes):
        total += size
        if total >= PIECE_BYTES or number == len(sizes) - 1:
            yield range(first, number + 1)
            first, total = number + 1, 0


def _text_bytes(group: pq.RowGroupMetaData) -> int:
    chunks = (group.column(number) for number in range(group.num_columns))
    return sum(int(chunk.total_uncompressed_size) for chunk in chunks if chunk.path_in_schema == "text")


def encode(task: Task) -> int:
    """Encode a piece and write it, whole or not at all; return its tokens.

    A row a document: id, source, mark (for drawing), bytes of text, tokens with the final end-of-document. All lie in one batch:
    joining is what a single process does, and takes its time by batches.
    """
    batches = list(encoded_batches(task))
    total = sum(len(batch.column("tokens").flatten()) for batch in batches)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, _schema(task.dtype)) as writer:
        if batches:
            writer.write_batch(pa.concat_batches(batches))
    del batches
    write_bytes(task.piece.path(task.folder), sink.getvalue())
    return total


def encoded_batches(task: Task) -> Iterator[pa.RecordBatch]:
    """Yield the documents of a piece encoded, a batch at a time, with the columns that `encode` writes."""
    encoder, eos_id = _encoder(task.tokenizer)
    schema = _schema(task.dtype)
    for batch in _batches(task.piece, task.batch_documents):
        _check_sources(batch, task)
        yield _encode(batch, encoder, eos_id, schema)


def _batches(piece: Piece, max_documents: int) -> Iterator[pa.RecordBatch]:
    """Yield id, source and text in batches of about _BATCH_BYTES of text at most, if documents are alike."""
    rows = max(min(max_documents, _BATCH_BYTES * piece.documents // max(piece.text_bytes, 1)), 1)
    with parquet_errors(piece.file), pq.ParquetFile(piece.file) as parquet:
        yield from parquet.iter_batches(rows, row_groups=list(piece.groups), columns=["id", "source", "text"])


def _check_sources(batch: pa.RecordBatch, task: Task) -> None:
    """Raise ArtifactError for a document whose source is not listed."""
    for name in pc.unique(batch.column("source")).to_pylist():
        if name not in task.sources:
            document = batch.column("id")[batch.column("source").to_pylist().index(name)]
            raise ArtifactError(
                f"{task.piece.file}: document '{document}' is of source '{name}', which the curate artifact's {SOURCES_FILE} "
                "does not list; remake the artifact with --force"
            )


def _encode(batch: pa.RecordBatch, encoder: FastEncoder, eos_id: int, schema: pa.Schema) -> pa.RecordBatch:
    ids, text = batch.column("id"), batch.column("text")
    end = np.array([eos_id], np.uint32)
    rows = encoder.encode_batch(text.to_pylist())
    tokens = np.concatenate([part for row in rows for part in (row, end)])
    offsets = np.cumsum([0, *(len(row) + 1 for row in rows)])
    found = int((tokens == eos_id).sum())
    assert found == len(rows), f"{found} ends of documents in {len(rows)} documents"
    narrow = tokens.astype(schema.field("tokens").type.value_type.to_pandas_dtype())
    assert tokens.max() <= np.iinfo(narrow.dtype).max, f"token {tokens.max()} does not fit into {narrow.dtype}"
    listed = pa.LargeListArray.from_arrays(column(offsets), column(narrow))
    sizes, marks = pc.binary_length(text).cast(pa.int64()), column(marks_of(ids.to_pylist()))
    return pa.RecordBatch.from_arrays([ids, batch.column("source"), marks, sizes, listed], schema=schema)


def _schema(dtype: TokenDtype) -> pa.Schema:
    tokens = pa.large_list(pa.uint16() if dtype == "uint16" else pa.uint32())
    columns = [("id", pa.string()), ("source", pa.string()), ("mark", pa.uint64()), ("bytes", pa.int64()), ("tokens", tokens)]
    return pa.schema(columns)


@lru_cache(maxsize=1)
def _encoder(path: Path) -> tuple[FastEncoder, int]:
    """Return the encoder of a tokenizer, one for the process, and what ends a document."""
    tokenizer = TextTokenizer.from_file(path)
    return FastEncoder.of(tokenizer), tokenizer.eos_id


@dataclass(frozen=True)
class Encoded:
    """Documents of one source out of a piece."""

    ids: pa.StringArray
    marks: Marks
    bytes: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    """Tokens of each, the end included."""
    tokens: Tokens
    rows: npt.NDArray[np.int64]
    """Their places among all documents of the piece."""

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Encoded":
        """Return the chosen documents."""
        if chosen.all():
            return self
        tokens = self.tokens[np.repeat(chosen, self.lengths)]
        ids, rows = self.ids.filter(mask(chosen)), self.rows[chosen]
        return Encoded(ids, self.marks[chosen], self.bytes[chosen], self.lengths[chosen], tokens, rows)

    def copied(self) -> "Encoded":
        """Return them in memory of their own: what is read lies in a file that is mapped only while it is read."""
        ids = pa.concat_arrays([self.ids, self.ids[:0]])
        own = (self.marks.copy(), self.bytes.copy(), self.lengths.copy())
        return Encoded(ids, *own, self.tokens.copy(), self.rows.copy())


def read(piece: Piece, folder: Path) -> Iterator[tuple[str, Encoded]]:
    """Yield the documents of an encoded piece by source, in order, a batch at a time out of mapped memory."""
    path = piece.path(folder)
    with storage_errors(path), pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        first = 0
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            sources = batch.column("source").dictionary_encode()
            places = numbers(sources.indices)
            for position, name in enumerate(sources.dictionary.to_pylist()):
                mine = places == position
                yield name, _unpacked(batch if mine.all() else batch.filter(mask(mine)), first + np.flatnonzero(mine))
            first += len(batch)


def _unpacked(batch: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> Encoded:
    marks, sizes, listed = numbers(batch.column("mark")), numbers(batch.column("bytes")), batch.column("tokens")
    return Encoded(batch.column("id"), marks, sizes, numbers(listed.value_lengths()), numbers(listed.flatten()), rows)


def is_encoded(piece: Piece, folder: Path) -> bool:
    """Return whether the piece lies there whole."""
    path = piece.path(folder)
    if not path.is_file():
        return False
    try:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            rows = sum(file.get_batch(number).num_rows for number in range(file.num_record_batches))
    except (pa.ArrowException, OSError):
        return False
    return bool(rows == piece.documents)
