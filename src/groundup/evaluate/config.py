"""The settings of an evaluation."""

from typing import Literal

from pydantic import Field

from groundup.core.config import Config

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
