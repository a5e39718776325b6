"""How attention is computed once queries, keys and values are there."""

from abc import ABC, abstractmethod
from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

KernelName = Literal["sdpa", "matmul"]
"""The names of groundup.nn.config.AttentionKernel but 'auto', which the plan resolves."""


class Kernel(ABC):
    """softmax(q k^T / sqrt(head_dim) + mask) v, with each key/value head shared by num_heads / num_kv_heads query heads."""

    @abstractmethod
    def mask(
        self, document_ids: Int[Tensor, "batch seq"] | None, start: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> Tensor | None:
        """Return what `attend` needs to know of who may look at whom, computed once for all blocks.

        Queries stand at start .. start + length - 1, keys at 0 .. start + length - 1; `document_ids` only with start = 0.
        """

    @abstractmethod
    def attend(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        mask: Tensor | None,
    ) -> Float[Tensor, "batch heads query head_dim"]: ...


class SdpaKernel(Kernel):
    """torch's fused attention: memory linear in the length; on a CPU the faster one in float32 and for long sequences."""

    def mask(
        self, document_ids: Int[Tensor, "batch seq"] | None, start: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> Tensor | None:
        if document_ids is None and start == 0:
            return None
        return visible(document_ids, start, length, device)

    def attend(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        mask: Tensor | None,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        grouped = query.shape[1] != key.shape[1]
        return F.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None, enable_gqa=grouped)


class MatmulKernel(Kernel):
    """Two products with a softmax between: on a CPU the faster one in bfloat16 up to 512 tokens (docs/log.md)."""

    def mask(
        self, document_ids: Int[Tensor, "batch seq"] | None, start: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        seen = visible(document_ids, start, length, device)
        return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))

    def attend(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        mask: Tensor | None,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        assert mask is not None, "the mask of this kernel is made by its own mask()"
        batch, heads, length, head_dim = query.shape
        # Query heads that share a key head are laid out as more queries of that head: keys are never copied.
        grouped = (query * head_dim**-0.5).reshape(batch, key.shape[1], -1, head_dim)
        scores = (grouped @ key.transpose(-2, -1)).view(batch, heads, length, -1) + mask  # batch, heads, query, key
        weights = torch.softmax(scores, dim=-1, dtype=scores.dtype)  # the kernel sums in float32; autocast must not widen the rest
        return (weights.view(batch, key.shape[1], -1, key.shape[2]) @ value).view(batch, heads, length, head_dim)


def visible(
    document_ids: Int[Tensor, "batch seq"] | None, start: int, length: int, device: torch.device
) -> Bool[Tensor, "#batch 1 query key"]:
    """Return which keys each query sees: its own position and those before it, of its own document."""
    total = start + length
    causal = torch.ones(length, total, dtype=torch.bool, device=device).tril_(start)[None, None]
    if document_ids is None:
        return causal
    assert start == 0, "packed documents are not decoded from a cache"
    return causal & (document_ids[:, None, :, None] == document_ids[:, None, None, :])


ATTENTION: Final[dict[KernelName, type[Kernel]]] = {"sdpa": SdpaKernel, "matmul": MatmulKernel}
