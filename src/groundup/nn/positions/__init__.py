"""How attention knows where a token stands."""

from collections.abc import Callable
from typing import Final

from groundup.nn.config import ModelConfig, PositionName
from groundup.nn.positions.alibi import AlibiPosition
from groundup.nn.positions.base import Effects, Position
from groundup.nn.positions.learned import LearnedPosition
from groundup.nn.positions.none import NoPosition
from groundup.nn.positions.rotary import RotaryPosition
from groundup.nn.positions.sinusoidal import SinusoidalPosition
from groundup.nn.positions.t5 import T5Position
from groundup.nn.positions.transformer_xl import DistanceScores, TransformerXlPosition

POSITIONS: Final[dict[PositionName, Callable[[ModelConfig, bool], Position]]] = {
    "rope": RotaryPosition,
    "learned": LearnedPosition,
    "sinusoidal": SinusoidalPosition,
    "t5_bias": T5Position,
    "alibi": AlibiPosition,
    "transformer_xl": TransformerXlPosition,
    "none": NoPosition,
}
"""Name -> class(config, whether the stack is causal)."""

__all__ = ["POSITIONS", "DistanceScores", "Effects", "Position"]
