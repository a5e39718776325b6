"""Token shards: memory-mapped tokens, one stream a source and split, with an index of documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.documents import Split
from groundup.artifacts.mix import MIX, Mix
from groundup.artifacts.names import SOURCE_NAME
from groundup.artifacts.parquet import parquet_errors
from groundup.artifacts.token_stream import TokenStream
from groundup.core.config import Config
from groundup.core.errors import ArtifactError
from groundup.core.files import hash_json, read_object

SHARDS = "shards.json"
TokenDtype = Literal["uint16", "uint32"]
INDEX_SCHEMA = pa.schema([("id", pa.string()), ("start", pa.int64()), ("tokens", pa.int64()), ("bytes", pa.int64())])


class ShardSource(Config):
    """One source's share of the shards; counts are per split."""

    name: str = Field(pattern=SOURCE_NAME)
    weight: float
    """How often it is seen in training relative to its size; under a mix, how often in a pass through it."""
    tokens: dict[Split, int]
    """End-of-document tokens included."""
    bytes: dict[Split, int]
    documents: dict[Split, int]


class Collected(Config):
    """What became of the raw text, as far as training goes."""

    raw_bytes: int
    """What the sources gave to curation."""
    kept_bytes: int
    """What of it there is to train on."""
    tokens: int
    """Its tokens, each once, ends of documents included; a mix may keep fewer."""

    @property
    def share(self) -> float:
        return self.kept_bytes / self.raw_bytes

    @property
    def bytes_per_token(self) -> float:
        return self.kept_bytes / self.tokens


class ShardsInfo(Config):
    """The contents of shards.json."""

    dtype: TokenDtype
    """'uint16' up to 65,536 tokens of vocabulary, else 'uint32'; little-endian."""
    vocab_size: int
    eos_id: int
    """Ends every document, and occurs nowhere else."""
    tokenizer_hash: str
    """Content hash of the tokenizer that made the tokens."""
    sources: tuple[ShardSource, ...]
    collected: Collected | None = None
    """None where the documents do not say what they were chosen from."""


@dataclass(frozen=True)
class TokenShards(Artifact):
    """The encode stage's artifact: SPLIT/SOURCE.bin (tokens) and SPLIT/SOURCE.index.parquet (documents)."""

    kind: ClassVar[str] = "token-shards"

    @cached_property
    def info(self) -> ShardsInfo:
        return ShardsInfo.parse(read_object(self.path / SHARDS), str(self.path / SHARDS))

    @cached_property
    def mix(self) -> Mix | None:
        """The mix that the weights are those of; None if there is none."""
        file = self.path / MIX
        return Mix.parse(read_object(file), str(file)) if MIX in self.manifest.files else None

    def check_tokenizer(self, content_hash: str) -> None:
        """Raise ArtifactError unless the tokenizer with this content hash is the one that made the tokens."""
        made_by = self.info.tokenizer_hash
        if content_hash != made_by:
            raise ArtifactError(
                f"{self.path}: its tokens were made by tokenizer {made_by[:12]}, the one given is {content_hash[:12]}; "
                "encode the documents again with this tokenizer, or give the one that made the shards"
            )

    @property
    def fingerprint(self) -> str:
        """What the data order depends on."""
        return self.content_hash

    @property
    def held_out_hash(self) -> str:
        """Hash of the held-out tokens: losses on others do not compare."""
        return hash_json({name: entry.sha256 for name, entry in self.manifest.files.items() if name.startswith("validation/")})

    def tokens(self, split: Split, source: str) -> npt.NDArray[np.unsignedinteger]:
        """Return the source's token stream, memory-mapped; empty if the source has no text in this split."""
        file = self.path / split / f"{source}.bin"
        dtype = np.dtype(self.info.dtype).newbyteorder("<")
        if file.stat().st_size == 0:
            return np.empty(0, dtype)
        return np.memmap(file, dtype, mode="r")

    def stream(self, split: Split, source: str) -> TokenStream:
        """Return the source's token stream, to be read piece by piece for as long as training takes."""
        return TokenStream(self.path / split / f"{source}.bin", np.dtype(self.info.dtype).newbyteorder("<"))

    def index(self, split: Split, source: str) -> pa.Table:
        """Return id, start, tokens and bytes of each document of the stream, in order."""
        file = self.path / split / f"{source}.index.parquet"
        with parquet_errors(file):
            return pq.read_table(file)

    def documents(self, split: Split) -> Iterator[tuple[str, npt.NDArray[np.unsignedinteger], int]]:
        """Yield (id, tokens with the final end-of-document, bytes of text) of every document of the split."""
        for source in self.info.sources:
            stream = self.tokens(split, source.name)
            for row in self.index(split, source.name).to_pylist():
                yield row["id"], stream[row["start"] : row["start"] + row["tokens"]], row["bytes"]

    def total(self, what: str, split: Split) -> int:
        """Return the number of 'tokens', 'bytes' or 'documents' over all sources of the split."""
        return sum(getattr(source, what)[split] for source in self.info.sources)
