"""Optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from groundup.train.config import OptimizerConfig


def adamw(parameters: Iterable[nn.Parameter], config: OptimizerConfig) -> Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019, algorithm 2) in its fused form, weight decay on matrices only.

    Matrices are all parameters of two or more dimensions, embeddings included, as GPT-2 is commonly reproduced; gains and
    biases are not decayed.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate or 0.0,  # every update sets its own
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], OptimizerConfig], Optimizer]] = {"adamw": adamw}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return the configured optimizer over the model's parameters."""
    return OPTIMIZERS[config.name](model.parameters(), config)


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Use `learning_rate` for the next update of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def state_tensors(optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as flat 'parameter number.name' -> tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def load_state_tensors(optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `state_tensors` returned, exactly."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
