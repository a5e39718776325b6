"""The shape of a model, as settings."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError

NormName = Literal["rms", "layer"]
PositionName = Literal["rope", "none"]
FeedForwardName = Literal["swiglu", "gelu"]
AttentionKernel = Literal["auto", "sdpa", "matmul"]


class ModelConfig(Config):
    """A decoder-only transformer: pre-norm blocks of attention and feed-forward."""

    vocab_size: int = Field(gt=1, description="rows of the embedding [tokens]")
    dim: int = Field(gt=0, le=1 << 20, description="width of the residual stream")
    num_layers: int = Field(gt=0, le=10_000, description="blocks")
    num_heads: int = Field(gt=0, description="query heads")
    num_kv_heads: int = Field(gt=0, description="key/value heads; fewer than query heads is grouped-query attention")
    ffn_dim: int = Field(gt=0, description="inner width of the feed-forward layer")
    max_seq_len: int = Field(gt=0, le=1 << 20, description="longest sequence [tokens]")
    norm: NormName = "rms"
    position: PositionName = "rope"
    feed_forward: FeedForwardName = "swiglu"
    norm_eps: float = Field(default=1e-5, gt=0)
    rope_theta: float = Field(default=10_000.0, gt=0, description="base of the rotary frequencies (RoFormer, section 3.2)")
    tie_embeddings: bool = Field(default=True, description="use the input embedding as output head")
    init_std: float = Field(default=0.02, gt=0, description="standard deviation of the initial weights (GPT-2)")

    @property
    def head_dim(self) -> int:
        return self.dim // self.num_heads

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        check_heads(self.dim, self.num_heads, self.num_kv_heads, self.position)
        return self


def check_heads(dim: int | None, num_heads: int | None, num_kv_heads: int | None, position: PositionName) -> None:
    """Raise ValueError if those that are said do not fit together."""
    if dim and num_heads and dim % num_heads:
        near = _largest_divisor(dim, num_heads)
        raise ValueError(f"dim={dim} is not a multiple of num_heads={num_heads}; nearest fewer heads that fit: {near}")
    if num_heads and num_kv_heads and num_heads % num_kv_heads:
        near = _largest_divisor(num_heads, num_kv_heads)
        raise ValueError(f"num_heads={num_heads} is not a multiple of num_kv_heads={num_kv_heads}; nearest fewer that fit: {near}")
    if dim and num_heads and position == "rope" and dim // num_heads % 2:
        raise ValueError(
            f"position='rope' turns pairs, but dim / num_heads = {dim // num_heads} is odd; change num_heads, or position='none'"
        )


def _largest_divisor(number: int, limit: int) -> int:
    return max(divisor for divisor in range(1, min(number, limit) + 1) if number % divisor == 0)


def check_llama_layout(norm: NormName, position: PositionName, feed_forward: FeedForwardName) -> None:
    """Raise ConfigError if the Llama layout, which exports are written in, cannot hold a model with these choices."""
    for key, chosen, needed in (("norm", norm, "rms"), ("position", position, "rope"), ("feed_forward", feed_forward, "swiglu")):
        if chosen != needed:
            raise ConfigError(
                f"model.{key}='{chosen}' has no place in the Llama layout, which is {key}='{needed}'; "
                f"set model.{key}={needed}, or stop before the export: --until evaluate"
            )
