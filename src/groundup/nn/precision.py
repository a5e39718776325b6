"""The dtype that weights are held in, and that matrix products are computed in."""

from typing import Final

import torch
from torch import Tensor, nn

from groundup.nn.config import WeightPrecision

DTYPES: Final[dict[WeightPrecision, torch.dtype]] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype that a matrix product of `x` would have here: autocast's where it is on, else that of `x`."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def hold_weights(model: nn.Module, precision: WeightPrecision) -> None:
    """Turn the model's weights into numbers of that precision; tables of positions and drawn features stay as exact as they are."""
    for weight in model.parameters():
        weight.data = weight.data.to(DTYPES[precision])
