"""Attention to a fixed pattern of keys, computed from those alone."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.nn.attention.full import MatmulAttention, dense_bias
from groundup.nn.attention.mechanism import KernelName, Mechanism, as_bias
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.view import View, positions_in_documents


@dataclass(frozen=True)
class Blocks:
    """A pass by blocks of queries, each with a few keys."""

    bias: Float[Tensor, "#batch #heads blocks block few"]
    """What is added to the scores of those keys, -inf for those that a query does not see."""
    keys: Int[Tensor, "blocks few"] | None = None
    """The keys of each block, where a table says which."""
    first_rows: Float[Tensor, "#batch #heads rows key"] | None = None
    """What the first queries, where they look at everything, add to the scores of all keys."""


class SparseAttention(Mechanism):
    """Attention within a pattern of keys; memory and time grow with the few keys of a query, not with all.

    What is no whole sequence (decoding from a cache), or is so short that the few keys would be more than all, is computed densely
    with the pattern as mask; so is a packed row where the pattern depends on the place in the document.
    """

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config)
        self._dense = MatmulAttention(config)

    relative: bool = True
    """Whether the pattern depends on distances alone, not on the place in the document."""
    block: int
    """Queries of a block."""

    @abstractmethod
    def sees(self, query_positions: Int[Tensor, "*#place"], key_positions: Int[Tensor, "*#place"]) -> Bool[Tensor, "*place"]:
        """Return the pattern itself: which keys are among those that a query may look at."""

    @abstractmethod
    def prepare_blocks(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Blocks | None:
        """Return the pass by blocks of a whole sequence; None if the keys of a block would be no fewer than all."""

    @abstractmethod
    def mix_blocks(
        self,
        query: Float[Tensor, "batch kv_heads group blocks block head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Blocks,
    ) -> Float[Tensor, "batch kv_heads group blocks block head_dim"]:
        """Return what scaled queries gather from their few keys."""

    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Tensor | Blocks:
        if view.whole and (self.relative or view.query_ids is None):
            prepared = self.prepare_blocks(view, bias, dtype)
            if prepared is not None:
                return prepared
        queries, keys = view.query_positions[None, :], view.key_positions[None, :]
        if not self.relative and view.key_ids is not None:
            queries, keys = view.document_positions, positions_in_documents(view.key_ids)
        return dense_bias(view.visible() & self.sees(queries[:, :, None], keys[:, None, :]), view, bias, dtype)

    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Tensor | Blocks,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        if isinstance(prepared, Tensor):
            return self._dense(query, key, value, prepared)  # type: ignore[no-any-return]
        batch, heads, length, head_dim = query.shape
        padded = F.pad(query * self.scale, (0, 0, 0, -length % self.block))
        grouped = padded.view(batch, key.shape[1], -1, padded.shape[2] // self.block, self.block, head_dim)
        mixed = self.mix_blocks(grouped, key, value, prepared).reshape(batch, heads, -1, head_dim)[:, :, :length]
        if prepared.first_rows is None:
            return mixed
        rows = prepared.first_rows.shape[2]
        first = self._dense(query[:, :, :rows], key, value, prepared.first_rows)
        return torch.cat((first, mixed[:, :, rows:]), dim=2)

    def mixing(self, scores: Float[Tensor, "batch kv_heads group blocks block few"], prepared: Blocks) -> Tensor:
        """Return the weights of the few keys."""
        batch, kv_heads, group, *places = scores.shape
        together = self.capped(scores).view(batch, kv_heads * group, *places) + prepared.bias
        return self.weights(together).view(scores.shape)

    def few_bias(
        self,
        view: View,
        queries: Int[Tensor, "blocks block 1"],
        keys: Int[Tensor, "blocks #block few"],
        counted: Bool[Tensor, "blocks #block few"],
        bias: Bias | None,
        dtype: torch.dtype,
    ) -> Float[Tensor, "#batch #heads blocks block few"]:
        """Return the bias of each query and its few keys, of which those outside the sequence, or not `counted`, are not seen."""
        length = len(view.query_positions)
        at, at_query = keys.clamp(0, length - 1), queries.clamp(max=length - 1)
        pattern = (self.sees(queries, keys) & counted & (keys >= 0) & (keys < length))[None]
        seen = pattern & (keys <= queries) if view.causal else pattern
        if view.prefix is not None:
            seen = seen | (pattern & view.prefix[:, at])
        if view.query_ids is not None:
            seen = seen & (view.query_ids[:, at_query] == view.query_ids[:, at])
        seen = seen | ~seen.any(-1, keepdim=True)  # queries that only fill the last block look at anything
        added = as_bias(seen, dtype)[:, None]
        return added if bias is None else added + bias(queries, keys)


class TableAttention(SparseAttention):
    """A pattern in which the queries of a block look at much the same keys: those of a table."""

    num_first_rows: int = 0
    """First queries that look at everything."""

    @abstractmethod
    def key_table(self, length: int, causal: bool) -> Int[Tensor, "blocks few"]:
        """Return, for each block of queries, the positions of all keys that its queries look at; what is outside counts as none."""

    def prepare_blocks(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Blocks | None:
        length = len(view.query_positions)
        table = self.key_table(length, view.causal).to(view.query_positions.device)
        if table.shape[1] >= length:
            return None
        queries = torch.arange(len(table) * self.block, device=table.device).view(len(table), self.block, 1)
        keys = table[:, None, :]
        added = self.few_bias(view, queries, keys, torch.ones_like(keys, dtype=torch.bool), bias, dtype)
        return Blocks(added, table.clamp(0, length - 1), self._first_rows(view, bias, dtype))

    def _first_rows(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Tensor | None:
        if not self.num_first_rows:
            return None
        first = View(view.query_positions[: self.num_first_rows], view.key_positions, view.causal, prefix=view.prefix)
        return dense_bias(first.visible(), first, bias, dtype)

    def mix_blocks(self, query: Tensor, key: Tensor, value: Tensor, prepared: Blocks) -> Tensor:
        assert prepared.keys is not None, "prepare_blocks names them"
        shape = (*key.shape[:2], 1, *prepared.keys.shape, key.shape[-1])
        keys, values = (x[:, :, prepared.keys.flatten()].view(shape) for x in (key, value))
        return self.mixing(query @ keys.transpose(-2, -1), prepared) @ values
