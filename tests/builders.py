"""Small real artifacts to test on, made the way the line makes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA, SPLIT_FOLDERS, Document, Documents, Split
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.encode.config import EncodeConfig
from groundup.encode.run import run as encode
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.run import run as train_tokenizer

A = TypeVar("A", bound=Artifact)


def build(
    kind: type[A],
    out: Path,
    run: Callable[[Any, Job], Outcome],
    config: Config | None = None,
    inputs: Mapping[str, Artifact] | None = None,
    seed: int = 0,
) -> A:
    """Make an artifact of `kind` in `out` with `run` and open it."""
    order = Order(stage=out.name, kind=kind.kind, out=out, config=config or Config(), seed=seed, device="cpu", inputs=inputs or {})
    make(order, run, replace=True)
    return kind.open(out)


def build_documents(
    out: Path, train: list[Document], validation: list[Document], weights: Mapping[str, float] | None = None
) -> Documents:
    """Make a curate artifact of the documents; `weights` names its sources for sources.json."""

    def write(config: Config, job: Job) -> Outcome:
        for split, documents in (("train", train), ("validation", validation)):
            write_split(job.out, split, documents)
        if weights is not None:
            write_json(
                job.out / "sources.json", [{"name": name, "kind": "files", "weight": weight} for name, weight in weights.items()]
            )
        return Outcome({"documents": len(train)})

    return build(Documents, out, write)


def write_split(out: Path, split: Split, documents: list[Document]) -> None:
    """Write one split's Parquet file."""
    folder = out / SPLIT_FOLDERS[split]
    folder.mkdir()
    rows = [
        {**vars(document), "bytes": len(document.text.encode()), "tokens_estimate": len(document.text) // 4}
        for document in documents
    ]
    pq.write_table(pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), DOCUMENT_SCHEMA), folder / "part-00000.parquet")


def build_tokenizer(out: Path, documents: Documents, vocab_size: int = 350) -> Tokenizer:
    return build(Tokenizer, out, train_tokenizer, TokenizerConfig(vocab_size=vocab_size), {"curate": documents})


def build_shards(out: Path, documents: Documents, tokenizer: Tokenizer) -> TokenShards:
    return build(TokenShards, out, encode, EncodeConfig(), {"curate": documents, "tokenizer": tokenizer})


def word_salad(num_words: int, seed: int = 0) -> str:
    """Return text of made-up sentences with some structure, the same for the same seed."""
    nouns = ["array", "shape", "index", "value", "model", "token", "batch", "layer", "error", "result"]
    verbs = ["returns", "takes", "raises", "computes", "holds", "ignores"]
    words = []
    state = seed * 2654435761 + 12345
    while len(words) < num_words:
        state = (state * 1103515245 + 12345) % (1 << 31)
        noun, verb, other = nouns[(state >> 8) % 10], verbs[(state >> 13) % 6], nouns[(state >> 18) % 10]
        words += f"The {noun} {verb} the {other}, {(state >> 22) % 100}.\n".split(" ")
    return " ".join(words[:num_words])
