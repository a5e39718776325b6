"""Positions as learned scores of distances."""

import math
from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor, nn

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position, distances
from groundup.nn.view import View


class T5Position(Position):
    """Add a learned number for each head and bucket of distances to the scores (Raffel et al. 2020, section 2.1).

    One table a stack, shared by its blocks.
    """

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(config.t5_buckets, config.num_heads)
        self._causal = causal
        self._max_distance = config.t5_max_distance

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        return Effects(bias=partial(self._bias, dtype))

    def _bias(self, dtype: torch.dtype, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        far = distances(query_positions, key_positions)
        numbers = buckets(far, self.table.num_embeddings, self._max_distance, self._causal)
        return self.table(numbers).movedim(-1, 0).to(dtype)  # type: ignore[no-any-return]


def buckets(before: Int[Tensor, "*shape"], num_buckets: int, max_distance: int, causal: bool) -> Int[Tensor, "*shape"]:
    """Return the bucket of each distance before the query: half of them one distance each, the others growing as its logarithm.

    Causal: all buckets for what lies before, bucket 0 for what comes after. Both ways: the upper half for what comes after.
    """
    if causal:
        offset, far = torch.zeros_like(before), before.clamp(min=0)
    else:
        num_buckets //= 2
        offset, far = num_buckets * (before < 0), before.abs()
    exact = num_buckets // 2
    growth = torch.log(far.clamp(min=1).float() / exact) / math.log(max_distance / exact) * (num_buckets - exact)
    large = (exact + growth.long()).clamp(max=num_buckets - 1)
    return offset + torch.where(far < exact, far, large)
