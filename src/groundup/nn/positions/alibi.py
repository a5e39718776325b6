"""Positions as a penalty on distance."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position, distances
from groundup.nn.view import View


class AlibiPosition(Position):
    """Take slope * |distance| off each score, with a slope of each head's own (Press et al. 2022, section 3).

    Both ways in an encoder, where the distance counts alike on both sides.
    """

    slopes: Tensor

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(config.num_heads), persistent=False)

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        return Effects(bias=partial(self._bias, dtype))

    def _bias(self, dtype: torch.dtype, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        far = distances(query_positions, key_positions).abs()
        return (-self.slopes.view(-1, *[1] * far.ndim) * far).to(dtype)


def alibi_slopes(num_heads: int) -> Float[Tensor, " heads"]:
    """Return 2^(-8/n), 2^(-16/n), ... for n heads, n a power of two.

    For another number: those of the power of two below, then every other one of the power of two above (the paper's code).
    """
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * head / power) for head in range(1, power + 1)]
    slopes += [2 ** (-8 * head / (2 * power)) for head in range(1, 2 * power + 1, 2)][: num_heads - power]
    return torch.tensor(slopes, device="cpu")
