"""Turn documents into token shards."""

import contextlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import FUNNEL, Documents, Split
from groundup.artifacts.mix import MIX, Mix
from groundup.artifacts.names import SOURCE_NAME
from groundup.artifacts.parquet import parquet_errors
from groundup.artifacts.token_shards import SHARDS, Collected, ShardsInfo, ShardSource
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import ArtifactError, DataError
from groundup.core.files import write_json
from groundup.core.log import say
from groundup.core.units import format_count
from groundup.encode.config import EncodeConfig
from groundup.encode.curriculum import Sorter, open_sorter, read_columns
from groundup.encode.forecast import Forecast
from groundup.encode.mixing import Choice, choose
from groundup.encode.pieces import SOURCES_FILE, Piece, Task, cut, read
from groundup.encode.streams import StreamWriter, token_dtype
from groundup.encode.work import encode_pieces, foresee_work
from groundup.estimate.collecting import advice
from groundup.estimate.raw_text import bytes_to_collect

SPLITS: tuple[Split, ...] = get_args(Split)


def run(config: EncodeConfig, job: Job) -> Outcome:
    """Write SPLIT/SOURCE.bin, SPLIT/SOURCE.index.parquet and shards.json; with config.mix, mix.json too.

    Every document ends with end-of-document. The documents are encoded in pieces, which lie in `job.scratch` until the artifact is
    whole: an interrupted making goes on with those that are missing. Raises DataError if the training split has no text, or the mix
    cannot be reached.
    """
    documents, tokenizer = job.open("curate", Documents), job.open("tokenizer", Tokenizer)
    weights = _weights(documents)
    _check_names(weights, documents)
    dtype = token_dtype(tokenizer.text.vocab_size)
    pieces = {split: cut(documents, split, tokenizer.content_hash) for split in SPLITS}
    tasks = _tasks(config, pieces, job, tokenizer, frozenset(weights))
    columns = read_columns(config.curriculum, pieces["train"]) if config.curriculum is not None else {}
    encode_pieces(tasks, job.workers, job.scratch)
    chosen = {name: Choice(weight) for name, weight in weights.items()}
    mix = None
    if config.mix is not None:
        mix, chosen = choose(config.mix, pieces["train"], job.scratch, list(weights), job.seed)
    with tempfile.TemporaryDirectory(dir=job.scratch) as spill:
        sorter = None
        if config.curriculum is not None:
            places = (job.scratch, Path(spill))
            sorter = open_sorter(config.curriculum, pieces["train"], *places, chosen, job.seed, columns)
        train = _join(pieces["train"], job, "train", dtype, chosen, sorter)
    held_out = _join(pieces["validation"], job, "validation", dtype, dict.fromkeys(weights, Choice(1.0)))
    if not train.text_bytes:
        raise DataError(f"{documents.path}: the training split has no text; add sources or loosen curate.rules")
    info = ShardsInfo(
        dtype=dtype,
        vocab_size=tokenizer.text.vocab_size,
        eos_id=tokenizer.text.eos_id,
        tokenizer_hash=tokenizer.content_hash,
        sources=tuple(_source(name, chosen[name].weight, {"train": train, "validation": held_out}) for name in weights),
        collected=_collected(documents, train),
    )
    write_json(job.out / SHARDS, info.model_dump(mode="json"))
    if mix is not None:
        write_json(job.out / MIX, mix.model_dump(mode="json"))
    _report(info, mix)
    return Outcome(_counts(info, mix))


def foresee(config: EncodeConfig, job: Job) -> Forecast | None:
    """Return what `run` would take; samples of the text are encoded for that. None if there is no text."""
    documents, tokenizer = job.open("curate", Documents), job.open("tokenizer", Tokenizer)
    pieces = {split: cut(documents, split, tokenizer.content_hash) for split in SPLITS}
    return foresee_work(_tasks(config, pieces, job, tokenizer, frozenset(_weights(documents))), job.workers)


def _tasks(
    config: EncodeConfig, pieces: Mapping[Split, Sequence[Piece]], job: Job, tokenizer: Tokenizer, sources: frozenset[str]
) -> list[Task]:
    dtype = token_dtype(tokenizer.text.vocab_size)
    given = (job.scratch, tokenizer.file, dtype, config.batch_documents, sources)
    return [Task(piece, *given) for split in SPLITS for piece in pieces[split]]


@dataclass
class Joined:
    """The streams of a split, and what there was to write to them."""

    streams: dict[str, StreamWriter]
    text_bytes: int = 0
    tokens: int = 0


def _join(
    pieces: Iterable[Piece], job: Job, split: Split, dtype: str, chosen: Mapping[str, Choice], sorter: Sorter | None = None
) -> Joined:
    """Write the streams of a split out of its pieces, with the documents that are kept: in order, or in that of the sorter."""
    with contextlib.ExitStack() as stack:
        writers = {name: stack.enter_context(contextlib.closing(StreamWriter(job.out / split, name, dtype))) for name in chosen}
        joined = Joined(writers)
        for piece in pieces:
            for name, documents in read(piece, job.scratch):
                joined.text_bytes += int(documents.bytes.sum())
                joined.tokens += len(documents.tokens)
                kept = documents.only(chosen[name].keeps(documents, job.seed))
                if sorter is None:
                    writers[name].add(kept)
                else:
                    sorter.put(name, kept)
        if sorter is not None:
            for name, writer in writers.items():
                for documents in sorter.sorted(name):
                    writer.add(documents)
    return joined


def _source(name: str, weight: float, joined: Mapping[Split, Joined]) -> ShardSource:
    streams = {split: of.streams[name] for split, of in joined.items()}
    return ShardSource(
        name=name,
        weight=weight,
        tokens={split: stream.tokens for split, stream in streams.items()},
        bytes={split: stream.bytes for split, stream in streams.items()},
        documents={split: stream.documents for split, stream in streams.items()},
    )


def _collected(documents: Documents, train: Joined) -> Collected | None:
    """Return what became of the bytes that the sources gave, before any stage of the funnel; None if the artifact does not say."""
    stages = documents.funnel.get("stages") if FUNNEL in documents.manifest.files else None
    raw_bytes = int(stages[0].get("bytes_in", 0)) if stages else 0
    return Collected(raw_bytes=raw_bytes, kept_bytes=train.text_bytes, tokens=train.tokens) if raw_bytes else None


def _counts(info: ShardsInfo, mix: Mix | None) -> dict[str, int | float | str]:
    counts: dict[str, int | float | str] = {
        "tokens": sum(source.tokens["train"] for source in info.sources),
        "validation_tokens": sum(source.tokens["validation"] for source in info.sources),
    }
    if info.collected is not None:
        found = info.collected
        counts["bytes_per_token"] = round(found.bytes_per_token, 3)
        counts["raw_bytes_per_token"] = round(bytes_to_collect(1, found.share, found.bytes_per_token), 3)
    if mix is not None:
        counts |= {"mix_tokens": mix.tokens, "mix": mix.summary()}
    return counts


def _report(info: ShardsInfo, mix: Mix | None) -> None:
    for source in info.sources:
        counts = ", ".join(f"{split} {format_count(source.tokens[split])} tokens" for split in SPLITS)
        say(f"  encode: {source.name}: {counts}")
    if mix is not None:
        say(f"  encode: a mix of {format_count(mix.tokens)} tokens, repeats included: {mix.summary()}")
        for note in mix.notes:
            say(f"  encode: {note}", style="yellow")
    if info.collected is not None:
        say(f"  encode: {advice(1_000_000, info.collected)}")


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
