"""Positions as fixed waves."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position
from groundup.nn.view import View

BASE = 10_000.0


class SinusoidalPosition(Position):
    """Add sin(p / 10000^(2i/d)) to dim 2i and the cosine to dim 2i + 1 of the embeddings (Vaswani et al. 2017, section 3.5)."""

    frequencies: Tensor

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        self.register_buffer("frequencies", wave_frequencies(config.dim), persistent=False)

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        return Effects(added=waves(view.document_positions, self.frequencies))


def wave_frequencies(dim: int) -> Float[Tensor, " half"]:
    """Return 10000^(-2i/dim) for each pair i of dims."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float32, device="cpu") / dim
    frequencies: Tensor = BASE**-exponents
    return frequencies


def waves(positions: Int[Tensor, "batch seq"], frequencies: Float[Tensor, " half"]) -> Float[Tensor, "batch seq dim"]:
    """Return sine and cosine of every angle, side by side."""
    angles = positions[..., None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
