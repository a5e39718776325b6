"""No positions."""

import torch

from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position
from groundup.nn.view import View


class NoPosition(Position):
    """Do nothing: order is known from the causal mask alone (Haviv et al. 2022)."""

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        return Effects()
