"""Turn documents into token shards."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pyarrow.parquet as pq

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import Document, Documents, Split
from groundup.artifacts.names import SOURCE_NAME
from groundup.artifacts.parquet import parquet_errors
from groundup.artifacts.token_shards import SHARDS, ShardsInfo, ShardSource
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.core.errors import ArtifactError, DataError
from groundup.core.files import write_json
from groundup.core.log import say
from groundup.core.progress import progress
from groundup.core.units import format_count
from groundup.encode.config import EncodeConfig
from groundup.encode.streams import StreamWriter, token_dtype

SOURCES_FILE = "sources.json"
_BATCH_BYTES = 8 << 20
SPLITS: tuple[Split, ...] = get_args(Split)


def run(config: EncodeConfig, job: Job) -> Outcome:
    """Write SPLIT/SOURCE.bin, SPLIT/SOURCE.index.parquet and shards.json; every document ends with end-of-document.

    Raises DataError if the training split has no text.
    """
    documents = job.open("curate", Documents)
    tokenizer = job.open("tokenizer", Tokenizer)
    weights = _weights(documents)
    _check_names(weights, documents)
    dtype = token_dtype(tokenizer.text.vocab_size)
    writers: dict[Split, dict[str, StreamWriter]] = {split: {} for split in SPLITS}
    with contextlib.ExitStack() as stack, progress("encode", _num_documents(documents)) as bar:
        for split in SPLITS:
            for name in weights:
                writers[split][name] = stack.enter_context(contextlib.closing(StreamWriter(job.out / split, name, dtype)))
            for batch in _batches(documents.read(split), config.batch_documents):
                _encode(batch, tokenizer.text, writers[split])
                bar.advance(len(batch))
    sources = tuple(
        ShardSource(
            name=name,
            weight=weight,
            tokens={split: writers[split][name].tokens for split in SPLITS},
            bytes={split: writers[split][name].bytes for split in SPLITS},
            documents={split: writers[split][name].documents for split in SPLITS},
        )
        for name, weight in weights.items()
    )
    if not sum(source.bytes["train"] for source in sources):
        raise DataError(f"{documents.path}: the training split has no text; add sources or loosen curate.rules")
    info = ShardsInfo(
        dtype=dtype,
        vocab_size=tokenizer.text.vocab_size,
        eos_id=tokenizer.text.eos_id,
        tokenizer_hash=tokenizer.content_hash,
        sources=sources,
    )
    write_json(job.out / SHARDS, info.model_dump(mode="json"))
    _report(sources)
    tokens = {split: sum(source.tokens[split] for source in sources) for split in SPLITS}
    return Outcome(counts={"tokens": tokens["train"], "validation_tokens": tokens["validation"]})


def _encode(batch: list[Document], tokenizer: TextTokenizer, writers: dict[str, StreamWriter]) -> None:
    encoded = tokenizer.encode_batch([document.text for document in batch])
    for document, ids in zip(batch, encoded, strict=True):
        if document.source not in writers:
            raise ArtifactError(
                f"document '{document.id}' is of source '{document.source}', which the curate artifact's {SOURCES_FILE} "
                "does not list; remake the artifact with --force"
            )
        writers[document.source].add(document.id, [*ids, tokenizer.eos_id], len(document.text.encode()))


def _batches(documents: Iterator[Document], max_documents: int) -> Iterator[list[Document]]:
    """Group documents, at most `max_documents` and not many more than _BATCH_BYTES of text at a time."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) == max_documents or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _weights(documents: Documents) -> dict[str, float]:
    """Return how often each source is seen in training relative to its size; 1 for all if the artifact does not say."""
    file = documents.path / SOURCES_FILE
    if not file.exists():
        with parquet_errors(documents.path):
            tables = [pq.read_table(part, columns=["source"]) for split in SPLITS for part in documents.files(split)]
        return dict.fromkeys(sorted({name for table in tables for name in table["source"].unique().to_pylist()}), 1.0)
    try:
        listed: list[dict[str, Any]] = json.loads(file.read_bytes())
        return {str(source["name"]): float(source["weight"]) for source in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{file}: not readable as the list of sources ({error}); remake the artifact with --force") from None


def _check_names(names: Iterable[str], documents: Documents) -> None:
    """Raise ArtifactError for a name that would lead out of the folder that the streams are written to."""
    for name in names:
        if not re.fullmatch(SOURCE_NAME, name):
            raise ArtifactError(
                f"{documents.path}: a source called {name!r}; names are made of a-z, 0-9, '_', '.' and '-', the first a letter or "
                "digit; curate the text again with such names"
            )


def _num_documents(documents: Documents) -> int:
    with parquet_errors(documents.path):
        return sum(pq.read_metadata(file).num_rows for split in SPLITS for file in documents.files(split))


def _report(sources: tuple[ShardSource, ...]) -> None:
    for source in sources:
        counts = ", ".join(f"{split} {format_count(source.tokens[split])} tokens" for split in SPLITS)
        say(f"  encode: {source.name}: {counts}")
