"""From a vector to the logits of all tokens."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import ModelConfig
from groundup.nn.norms import NORMS


class Transform(nn.Module):
    """norm(gelu(W x + b)): what BERT's masked language model puts before the output matrix (Devlin et al. 2019, published code)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.dim, config.dim)
        self.norm = NORMS[config.norm](config.dim, config.norm_eps)

    def forward(self, hidden: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return self.norm(F.gelu(self.dense(hidden)))  # type: ignore[no-any-return]


class Scale(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Head(nn.Module):
    """soft cap(features(hidden) W^T + b), W being the embedding itself or a matrix of its own."""

    def __init__(self, config: ModelConfig, embedding: nn.Embedding) -> None:
        super().__init__()
        self._embedding = (embedding,)  # in a tuple, so that it is registered once, as the embedding
        self.features = nn.Sequential()
        """From the stack's result to the vectors that W multiplies."""
        if config.head_transform:
            self.features.append(Transform(config))
        factor = head_factor(config)
        if factor != 1:
            self.features.append(Scale(factor))
        self.output = None if config.tie_embeddings else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.head_bias else None
        self.soft_cap = config.logit_soft_cap

    @property
    def weight(self) -> Float[Tensor, "vocab dim"]:
        return (self.output or self._embedding[0]).weight

    def forward(self, hidden: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch vocab"]:
        return self.capped(F.linear(self.features(hidden), self.weight, self.bias))

    def capped(self, logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
        """Return c tanh(logit / c) with the soft cap c, if there is one (Gemma 2, section 2)."""
        return logits if self.soft_cap is None else self.soft_cap * torch.tanh(logits / self.soft_cap)


def head_factor(config: ModelConfig) -> float:
    """Return what vectors are multiplied by before the output matrix: T5's 1/sqrt(dim), muP's 1/width ratio."""
    scale = config.dim**-0.5 if config.head_scale else 1.0
    return scale * (config.mup_base_dim / config.dim if config.init == "mup" else 1.0)
