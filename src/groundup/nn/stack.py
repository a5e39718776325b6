"""A stack of blocks, with the positions and the attention that they share."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.attention import ATTENTION, KernelName
from groundup.nn.attention.full import full_attention
from groundup.nn.attention.layer import Glance
from groundup.nn.block import Block, ReadingBlock
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.positions.base import unchanged
from groundup.nn.precision import compute_dtype
from groundup.nn.residual import FINAL_NORM
from groundup.nn.view import View


class Base(nn.Module):
    """What stands around the blocks of any stack."""

    def __init__(self, config: ModelConfig, causal: bool, attention: KernelName) -> None:
        super().__init__()
        self.position = POSITIONS[config.position](config, causal)
        self.mechanism = ATTENTION[config.attention](config, attention)
        self.embedding_norm = NORMS[config.norm](config.dim, config.norm_eps) if config.embedding_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        has_norm = config.residual in FINAL_NORM
        self.norm = NORMS[config.norm](config.dim, config.norm_eps) if has_norm else nn.Identity()

    def begin(
        self, embedded: Float[Tensor, "batch seq dim"], view: View, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "batch seq dim"], Glance]:
        """Return the stream before the first block, and how its tokens look at themselves, in `dtype`."""
        effects = self.position.effects(view, dtype)
        if effects.added is not None:
            embedded = embedded + effects.added.to(embedded.dtype)
        glance = Glance(self.mechanism, self.mechanism.prepare(view, effects.bias, dtype), effects.turn, effects.distances)
        return self.dropout(self.embedding_norm(embedded)), glance


class Stack(Base):
    """An encoder, or a decoder by itself."""

    def __init__(self, config: ModelConfig, num_layers: int, causal: bool, attention: KernelName) -> None:
        super().__init__(config, causal, attention)
        self.blocks = nn.ModuleList(Block(config, causal) for _ in range(num_layers))

    def forward(
        self, embedded: Float[Tensor, "batch seq dim"], view: View, cache: KVCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        hidden, glance = self.begin(embedded, view, attention_dtype(embedded, cache))
        layer_caches = cache.layers if cache is not None else [None] * len(self.blocks)
        for block, layer_cache in zip(self.blocks, layer_caches, strict=True):
            hidden = block(hidden, glance, layer_cache)
        return self.norm(hidden)  # type: ignore[no-any-return]


class ReadingStack(Base):
    """A decoder that reads an encoder's result."""

    def __init__(self, config: ModelConfig, attention: KernelName) -> None:
        super().__init__(config, True, attention)
        self.blocks = nn.ModuleList(ReadingBlock(config) for _ in range(config.num_layers))
        self.cross_mechanism = full_attention(config, attention)

    def forward(
        self,
        embedded: Float[Tensor, "batch seq dim"],
        view: View,
        source: Float[Tensor, "batch source dim"] | None,
        source_view: View,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq dim"]:
        dtype = attention_dtype(embedded, cache)
        hidden, itself = self.begin(embedded, view, dtype)
        prepared = self.cross_mechanism.prepare(source_view, None, dtype)
        across = Glance(self.cross_mechanism, prepared, unchanged)
        layer_caches = cache.layers if cache is not None else [None] * len(self.blocks)
        for block, layer_cache in zip(self.blocks, layer_caches, strict=True):
            hidden = block(hidden, itself, source, across, layer_cache)
        return self.norm(hidden)  # type: ignore[no-any-return]


def attention_dtype(embedded: Tensor, cache: KVCache | None) -> torch.dtype:
    """Return the dtype that attention is computed in: the cache's, or that of other products."""
    return compute_dtype(embedded) if cache is None else cache.dtype
