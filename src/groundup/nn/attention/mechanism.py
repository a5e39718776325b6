"""What every way to compute attention does."""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.view import View

KernelName = Literal["sdpa", "matmul"]
"""The names of groundup.nn.config.AttentionKernel but 'auto', which the plan resolves."""


class Mechanism(nn.Module, ABC):
    """softmax(scale * q k^T + bias) v over the keys that each query sees, or an approximation of it.

    Each key/value head is shared by num_heads / num_kv_heads query heads. One mechanism serves all blocks of a stack.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.scale = config.head_dim**-0.5 if config.scale_scores else 1.0
        self.soft_cap = config.attention_soft_cap
        self.dropout = config.attention_dropout

    @abstractmethod
    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Any:
        """Return what `forward` needs to know of who may look at whom, computed once for all blocks."""

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Any,
    ) -> Float[Tensor, "batch heads query head_dim"]: ...

    def weights(self, scores: Float[Tensor, "*batch key"]) -> Float[Tensor, "*batch key"]:
        """Return the shares in which values are mixed; the kernel sums in float32, autocast must not widen the rest."""
        return F.dropout(torch.softmax(scores, dim=-1, dtype=scores.dtype), self.dropout, self.training)

    def capped(self, scores: Tensor) -> Tensor:
        """Return c tanh(score / c) with the soft cap c, if there is one (Gemma 2, section 2)."""
        return scores if self.soft_cap is None else self.soft_cap * torch.tanh(scores / self.soft_cap)


def as_bias(seen: Bool[Tensor, "*shape"], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
    """Return 0 where something is seen and -inf where not."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -math.inf)
