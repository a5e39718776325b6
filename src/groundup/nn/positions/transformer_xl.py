"""Positions as scores that each query gives to distances."""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Distances, Effects, Position, distances
from groundup.nn.positions.sinusoidal import wave_frequencies, waves
from groundup.nn.view import View


class TransformerXlPosition(Position):
    """Make scores (q + u) k + (q + v) W r, r being the waves of the distance (Dai et al. 2019, section 3.3).

    W, u and v are each block's own (`DistanceScores`). Gopher and Chinchilla have these positions.
    """

    frequencies: Tensor

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        self.register_buffer("frequencies", wave_frequencies(config.dim), persistent=False)

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        far = distances(view.query_positions[:, None], view.key_positions[None, :])
        lowest = view.start - (view.first_key + far.shape[1] - 1)
        every = torch.arange(lowest, lowest + sum(far.shape) - 1, device=far.device)
        return Effects(bias=partial(nothing, dtype), distances=Distances(waves(every[None], self.frequencies)[0], far - lowest))


def nothing(dtype: torch.dtype, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Return zero for every query and key: what blocks add to."""
    return torch.zeros_like(distances(query_positions, key_positions), dtype=dtype)[None]


class DistanceScores(nn.Module):
    """One block's scores of distances."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.scale = config.head_dim**-0.5 if config.scale_scores else 1.0
        self.place = nn.Linear(config.dim, config.inner_dim, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(config.inner_dim))
        """u, of all heads."""
        self.place_bias = nn.Parameter(torch.zeros(config.inner_dim))
        """v."""

    def forward(
        self, query: Float[Tensor, "batch heads query head_dim"], known: Distances
    ) -> tuple[Float[Tensor, "batch heads query head_dim"], Float[Tensor, "batch heads query key"]]:
        """Return the queries for the contents of keys, and what is added to the scores for their distances."""
        content, place = (bias.view(-1, 1, self.head_dim).to(query.dtype) for bias in (self.content_bias, self.place_bias))
        keys = self.place(known.waves.to(self.place_bias.dtype)).view(len(known.waves), -1, self.head_dim).to(query.dtype)
        by_distance = torch.einsum("bhqd,fhd->bhqf", (query + place) * self.scale, keys)
        return query + content, take(by_distance, known.index)


def take(
    scores: Float[Tensor, "batch heads query distance"], index: Int[Tensor, "query key"]
) -> Float[Tensor, "batch heads query key"]:
    """Return each query's score of the distance to each key."""
    return scores.gather(-1, index.expand(*scores.shape[:2], -1, -1))
