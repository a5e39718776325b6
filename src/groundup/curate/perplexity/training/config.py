"""The settings of learning a perplexity model."""

from pydantic import Field

from groundup.core.config import Config
from groundup.curate.config import SourceConfig


class PerplexityModelConfig(Config):
    """An n-gram model: its reference text, and how it is learned."""

    reference: tuple[SourceConfig, ...] = Field(min_length=1, description="text of the kind that is wanted")
    calibrate: tuple[SourceConfig, ...] = Field(
        default=(), description="text whose percentiles divide head, middle and tail; none: a part of the reference, held out"
    )
    order: int = Field(default=5, ge=2, le=6, description="a token is foretold from order - 1 before it")
    pieces: int = Field(default=16_000, ge=400, le=65_536, description="vocabulary of pieces of words, at most")
    min_count: int = Field(
        default=2,
        ge=1,
        description="n-grams of three pieces and more that occur less often are left out; 1: none, and 2 to 4 times the memory",
    )
    max_bytes: int = Field(
        default=32 << 20,
        ge=1 << 16,
        description="of reference text and of text to calibrate with, at most: a sample, which bounds the memory",
    )
    held_out: float = Field(default=0.1, gt=0, le=0.5, description="share of the reference that is not learned but measured")
