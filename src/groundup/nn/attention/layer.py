"""Multi-head attention with shared key/value heads."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.attention.mechanism import Mechanism
from groundup.nn.cache import LayerCache
from groundup.nn.config import ModelConfig
from groundup.nn.norms import NORMS
from groundup.nn.positions.base import Distances, Turn
from groundup.nn.positions.transformer_xl import DistanceScores
from groundup.nn.precision import compute_dtype


@dataclass(frozen=True)
class Glance:
    """What all blocks of one pass share of one kind of attention: the mechanism with what it prepared, and the turn."""

    mechanism: Mechanism
    prepared: Any
    turn: Turn
    distances: Distances | None = None


class Attention(nn.Module):
    """Each token gathers values from the tokens it may see (Vaswani et al. 2017, section 3.2; grouped: Ainslie et al. 2023)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.query = nn.Linear(config.dim, config.inner_dim, bias=config.bias)
        self.key = nn.Linear(config.dim, config.kv_dim, bias=config.bias)
        self.value = nn.Linear(config.dim, config.kv_dim, bias=config.bias)
        self.output = nn.Linear(config.inner_dim, config.dim, bias=config.bias)
        self.query_norm = NORMS[config.norm](config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.key_norm = NORMS[config.norm](config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.distance_scores = DistanceScores(config) if config.position == "transformer_xl" else None

    def forward(
        self, x: Float[Tensor, "batch seq dim"], glance: Glance, cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        """Return what the tokens gather from themselves and, with a cache, from those that it holds."""
        query = glance.turn(self.query_norm(self._heads(self.query(x)))).transpose(1, 2)  # batch, heads, seq, head_dim
        key, value = self.keys_values(x, glance.turn)
        if cache is not None:
            key, value = cache.append(key, value)
        prepared = glance.prepared
        if self.distance_scores is not None and glance.distances is not None:
            query, added = self.distance_scores(query.to(key.dtype), glance.distances)
            prepared = prepared + added
        return self.output(gather(query, key, value, glance.mechanism, prepared, compute_dtype(x)))  # type: ignore[no-any-return]

    def across(
        self,
        x: Float[Tensor, "batch seq dim"],
        source: tuple[Float[Tensor, "batch kv_heads source head_dim"], Float[Tensor, "batch kv_heads source head_dim"]],
        glance: Glance,
    ) -> Float[Tensor, "batch seq dim"]:
        """Return what the tokens gather from the keys and values of other tokens."""
        query = glance.turn(self.query_norm(self._heads(self.query(x)))).transpose(1, 2)
        return self.output(gather(query, *source, glance.mechanism, glance.prepared, compute_dtype(x)))  # type: ignore[no-any-return]

    def keys_values(
        self, x: Float[Tensor, "batch seq dim"], turn: Turn
    ) -> tuple[Float[Tensor, "batch kv_heads seq head_dim"], Float[Tensor, "batch kv_heads seq head_dim"]]:
        """Return the keys and values of the tokens."""
        key = turn(self.key_norm(self._heads(self.key(x)))).transpose(1, 2)
        return key, self._heads(self.value(x)).transpose(1, 2)

    def _heads(self, x: Float[Tensor, "batch seq width"]) -> Float[Tensor, "batch seq heads head_dim"]:
        return x.view(*x.shape[:-1], -1, self.head_dim)


def gather(
    query: Float[Tensor, "batch heads query head_dim"],
    key: Float[Tensor, "batch kv_heads key head_dim"],
    value: Float[Tensor, "batch kv_heads key head_dim"],
    mechanism: Mechanism,
    prepared: Any,
    dtype: torch.dtype,
) -> Float[Tensor, "batch query inner_dim"]:
    """Return what all heads gathered, in `dtype`; they do so in the dtype of the keys, which may come from a wider cache."""
    mixed: Tensor = mechanism(query.to(key.dtype), key, value, prepared)
    return mixed.to(dtype).transpose(1, 2).flatten(2)
