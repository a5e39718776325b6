"""Positions as angles by which queries and keys are turned."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position
from groundup.nn.positions.frequencies import rotary_frequencies
from groundup.nn.view import View


class RotaryPosition(Position):
    """Turn each pair of dims of the token at position p by the angle p * theta^(-2i/d)  (Su et al. 2021, section 3.2.2).

    Pairs are either halves (i with i + d/2, as in the Llama layout) or neighbours (2i with 2i + 1, as in the paper); with
    `rope_fraction` only the first dims of a head turn. The angles of scaled frequencies: positions/frequencies.py.
    Products depend on distances alone, so places in the row serve; random features of them do not, and take places in the document.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._turn = {"halves": turn_halves, "neighbours": turn_neighbours}[config.rope_pairs]
        self._dims = config.rotary_dims
        self._rest = config.head_dim - config.rotary_dims
        self._by_document = config.attention == "performer"

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        places = view.document_positions if self._by_document else view.query_positions
        cos, sin = (table[places].unsqueeze(-2).to(dtype) for table in (self.cos, self.sin))  # seq, 1, rotary_dims / 2
        return Effects(turn=partial(self._turn_first if self._rest else self._turn, cos=cos, sin=sin))

    def _turn_first(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, rest = torch.split(x, [self._dims, self._rest], dim=-1)
        return torch.cat((self._turn(first, cos, sin), rest), dim=-1)


def turn_halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (x_i, x_{i + d/2})."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def turn_neighbours(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (x_{2i}, x_{2i + 1})."""
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1).flatten(-2)


def rotary_table(config: ModelConfig) -> tuple[Float[Tensor, "max_seq_len half"], Float[Tensor, "max_seq_len half"]]:
    """Return cosine and sine of every position's angles; real tensors even where a model is built on the meta device."""
    frequencies, size = rotary_frequencies(config)
    angles = torch.outer(torch.arange(config.max_seq_len, dtype=torch.float32, device="cpu"), frequencies)
    return angles.cos() * size, angles.sin() * size
