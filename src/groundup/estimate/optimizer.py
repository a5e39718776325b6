"""What an optimizer keeps from step to step."""

import math
from collections.abc import Callable
from typing import Final

from groundup.estimate.tensors import parameter_tensors
from groundup.estimate.workload import FP32_BYTES
from groundup.nn.config import ModelConfig
from groundup.train.optim.config import MomentumPrecision, OptimizerConfig, OptimizerName, Role

COUNTER_BYTES = 4
"""The number of steps, beside each tensor's moments."""
_MOMENTUM_BYTES: Final[dict[MomentumPrecision | None, int]] = {None: 4, "fp32": 4, "bf16": 2}


def optimizer_bytes(model: ModelConfig, optimizer: OptimizerConfig) -> int:
    """Return the bytes of the optimizer's state after its first step, exactly (tests/estimate/test_optimizer.py)."""
    of_tensor = STATE_BYTES[optimizer.name]
    return sum(count * of_tensor(optimizer, role, shape) for role, shape, count in parameter_tensors(model))


def _adam(optimizer: OptimizerConfig, role: Role, shape: tuple[int, ...]) -> int:
    return (_MOMENTUM_BYTES[optimizer.momentum_precision] + FP32_BYTES) * math.prod(shape) + COUNTER_BYTES


def _momentum(optimizer: OptimizerConfig, role: Role, shape: tuple[int, ...]) -> int:
    return _MOMENTUM_BYTES[optimizer.momentum_precision] * math.prod(shape)


def _muon(optimizer: OptimizerConfig, role: Role, shape: tuple[int, ...]) -> int:
    return (_momentum if role == "matrices" else _adam)(optimizer, role, shape)


def _adafactor(optimizer: OptimizerConfig, role: Role, shape: tuple[int, ...]) -> int:
    squares = FP32_BYTES * sum(shape)  # of a matrix one a row and one a column
    return squares + (_momentum(optimizer, role, shape) if optimizer.beta1 else 0) + COUNTER_BYTES


STATE_BYTES: Final[dict[OptimizerName, Callable[[OptimizerConfig, Role, tuple[int, ...]], int]]] = {
    "adam": _adam,
    "adamw": _adam,
    "adafactor": _adafactor,
    "muon": _muon,
    "lion": _momentum,
}
"""Optimizer -> bytes of the state of one tensor."""
