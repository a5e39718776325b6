"""How attention knows where a token stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import ModelConfig, PositionName

Turn = Callable[[Tensor], Tensor]
"""Puts the positions of a span into its queries or keys [batch, seq, heads, head_dim]."""


class Position(nn.Module, ABC):
    """A way to put positions into queries and keys."""

    @abstractmethod
    def at(self, start: int, length: int, dtype: torch.dtype) -> Turn:
        """Return the turn of positions start .. start + length - 1, computed once for all blocks."""


class RotaryPosition(Position):
    """Turn the pair (x_i, x_{i + d/2}) of the token at position p by the angle p * theta^(-2i/d)  (Su et al. 2021, section 3.2.2).

    The pairs are those of the Llama layout (first half with second half), so weights need no permutation on export.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        cos, sin = rotary_table(config.max_seq_len, config.head_dim, config.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def at(self, start: int, length: int, dtype: torch.dtype) -> Turn:
        span = slice(start, start + length)
        cos, sin = self.cos[span, None].to(dtype), self.sin[span, None].to(dtype)  # seq, 1, head_dim / 2

        def turn(x: Tensor) -> Tensor:
            first, second = x.chunk(2, dim=-1)
            return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

        return turn


class NoPosition(Position):
    """Leave queries and keys as they are: order is known from the causal mask alone (Haviv et al. 2022)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

    def at(self, start: int, length: int, dtype: torch.dtype) -> Turn:
        return _unchanged


def rotary_table(
    max_seq_len: int, head_dim: int, theta: float
) -> tuple[Float[Tensor, "max_seq_len half"], Float[Tensor, "max_seq_len half"]]:
    """Return cosine and sine of every position's angles; real tensors even where a model is built on the meta device."""
    frequencies = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float32, device="cpu") / head_dim)
    angles = torch.outer(torch.arange(max_seq_len, dtype=torch.float32, device="cpu"), frequencies)
    return angles.cos(), angles.sin()


def _unchanged(x: Tensor) -> Tensor:
    return x


POSITIONS: Final[dict[PositionName, Callable[[ModelConfig], Position]]] = {"rope": RotaryPosition, "none": NoPosition}
