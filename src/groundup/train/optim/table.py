"""Every optimizer, by name."""

from collections.abc import Callable
from typing import Final

from torch import nn
from torch.optim import Optimizer

from groundup.train.optim.adafactor import adafactor
from groundup.train.optim.adam import adam
from groundup.train.optim.adamw import adamw
from groundup.train.optim.config import OptimizerConfig, OptimizerName
from groundup.train.optim.lion import lion
from groundup.train.optim.muon import muon
from groundup.train.optim.precision import keep_momentum_in_bf16

OPTIMIZERS: Final[dict[OptimizerName, Callable[[nn.Module, OptimizerConfig], Optimizer]]] = {
    "adam": adam,
    "adamw": adamw,
    "adafactor": adafactor,
    "muon": muon,
    "lion": lion,
}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return the configured optimizer over the model's parameters; `set_learning_rate` gives it its rate before each step."""
    optimizer = OPTIMIZERS[config.name](model, config)
    if config.momentum_precision == "bf16":
        keep_momentum_in_bf16(optimizer)
    return optimizer
