"""The settings of an evaluation."""

from typing import Literal

from pydantic import Field

from groundup.core.config import Config
from groundup.core.errors import ConfigError

BaselineName = Literal["unigram", "bigram", "xz", "xz_conditional"]


class EvaluateConfig(Config):
    """What the model is asked, and what it is compared with."""

    stride: int | None = Field(default=None, gt=0, description="tokens a window moves on; null: half of the model's length")
    batch: int = Field(default=8, gt=0, description="windows scored at a time")
    max_bytes: int = Field(
        default=1_000_000, gt=0, description="held-out text that is scored, at most; whole documents, by a hash of their id [bytes]"
    )
    baselines: tuple[BaselineName, ...] = Field(
        default=("unigram", "bigram", "xz", "xz_conditional"), description="what is scored on the same documents beside the model"
    )
    prompts: tuple[str, ...] = Field(default=(), description="starts of the samples that the report shows")
    sample_tokens: int = Field(default=100, gt=0, description="tokens generated for each prompt")
    temperature: float = Field(default=0.7, ge=0, description="of the samples; 0: always the most probable token")
    top_p: float = Field(default=0.95, gt=0, le=1, description="samples are drawn among the likeliest tokens that hold this share")


def resolve_stride(stride: int | None, window_len: int) -> int:
    """Return the tokens that a window moves on; raise ConfigError if tokens would be left between two windows."""
    if stride is not None and stride > window_len:
        raise ConfigError(
            f"evaluate.stride={stride:,} is more than the model's {window_len:,} tokens (pretrain.seq_len), so tokens would never "
            f"be scored; set it to at most {window_len:,}, or null for {max(window_len // 2, 1):,}"
        )
    return stride or max(window_len // 2, 1)
