"""What a position encoding may do."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup.nn.view import View

Turn = Callable[[Tensor], Tensor]
"""Puts positions into queries or keys [batch, seq, heads, head_dim]."""
Bias = Callable[[Tensor, Tensor], Tensor]
"""Gives what is added to the scores of queries and keys at these positions: [*query 1], [*1 key] -> [heads, *query key]."""


def unchanged(x: Tensor) -> Tensor:
    """Return queries or keys as they are."""
    return x


@dataclass(frozen=True)
class Distances:
    """The distances of one pass, for blocks that give each a score of their own."""

    waves: Float[Tensor, "distance dim"]
    """Of every distance that occurs, from the lowest on."""
    index: Int[Tensor, "query key"]
    """Which of them lies between each query and key."""


@dataclass(frozen=True)
class Effects:
    """What one position encoding does to one pass, computed once for all blocks."""

    added: Float[Tensor, "#batch seq dim"] | None = None
    """To the embeddings."""
    turn: Turn = unchanged
    """Of queries and keys alike, both being the tokens of this pass."""
    bias: Bias | None = None
    """To the scores of self-attention."""
    distances: Distances | None = None
    """Of which each block makes scores, where the position asks for that (`transformer_xl`)."""


class Position(nn.Module, ABC):
    """A way to tell attention where a token stands; built as class(config, causal) for one stack."""

    @abstractmethod
    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        """Return the effects on the queries of `view`, with tables in `dtype`."""


def distances(query_positions: Int[Tensor, "*#place"], key_positions: Int[Tensor, "*#place"]) -> Int[Tensor, "*place"]:
    """Return how far each key lies before each query; negative after it."""
    return query_positions - key_positions
