"""The settings of a tokenizer."""

from typing import Literal

from pydantic import Field

from groundup.core.config import Config


class TokenizerConfig(Config):
    """A tokenizer trained on the curated text."""

    algorithm: Literal["bpe"] = Field(default="bpe", description="byte-level BPE: every UTF-8 text has exact tokens")
    vocab_size: int = Field(default=4096, ge=257, le=1 << 24, description="tokens, the 256 bytes and the special ones included")
    sample_bytes: int = Field(default=100_000_000, gt=0, description="text that merges are learned from, at most [bytes]")
