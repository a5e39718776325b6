"""Attention to all that may be seen, exactly."""

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from groundup.nn.attention.mechanism import KernelName, Mechanism, as_bias
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.view import View


class SdpaAttention(Mechanism):
    """torch's fused attention: memory linear in the length; on a CPU the faster one in float32 and for long sequences."""

    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Tensor | bool:
        """Return a mask to add to the scores, or, where nothing but the order is to be known, whether attention is causal."""
        if bias is None and not view.hides() and not (view.causal and view.start and len(view.query_positions) > 1):
            return view.causal and not view.start
        return dense_bias(view.visible(), view, bias, dtype)

    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Tensor | bool,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        causal, mask = (prepared, None) if isinstance(prepared, bool) else (False, prepared)
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
            scale=self.scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )


class MatmulAttention(Mechanism):
    """Two products with a softmax between: on a CPU the faster one in bfloat16 up to 512 tokens (docs/log.md)."""

    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Tensor:
        return dense_bias(view.visible(), view, bias, dtype)

    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Tensor,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        batch, heads, length, head_dim = query.shape
        # Query heads that share a key head are laid out as more queries of that head: keys are never copied.
        grouped = (query * self.scale).reshape(batch, key.shape[1], -1, head_dim)
        scores = (grouped @ key.transpose(-2, -1)).view(batch, heads, length, -1)  # batch, heads, query, key
        weights = self.weights(self.capped(scores) + prepared)
        return (weights.view(batch, key.shape[1], -1, key.shape[2]) @ value).view(batch, heads, length, head_dim)


def dense_bias(
    seen: Bool[Tensor, "#batch query key"], view: View, bias: Bias | None, dtype: torch.dtype
) -> Float[Tensor, "#batch #heads query key"]:
    """Return the bias of every query and key, -inf where a key is not seen."""
    mask = as_bias(seen, dtype)[:, None]
    if bias is None:
        return mask
    return mask + bias(view.query_positions[:, None], view.key_positions[None, :])


def full_attention(config: ModelConfig, kernel: KernelName) -> Mechanism:
    """Return exact attention with the wanted kernel; soft caps have no fused kernel."""
    return FULL_ATTENTION[kernel if config.attention_soft_cap is None else "matmul"](config)


FULL_ATTENTION: Final[dict[KernelName, type[Mechanism]]] = {"sdpa": SdpaAttention, "matmul": MatmulAttention}
