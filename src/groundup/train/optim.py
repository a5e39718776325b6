"""Optimizers by name."""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from groundup.train.config import OptimizerConfig

RATE_SCALE = "rate_scale"
"""Key of a parameter group: what its learning rate is multiplied by."""


def adamw(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019, algorithm 2) in its fused form, weight decay on matrices only.

    Matrices are all parameters of two or more dimensions, embeddings included, as GPT-2 is commonly reproduced; gains and
    biases are not decayed.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim >= 2 else 0.0
            groups.setdefault((decay, rate_scale(model, name)), []).append(parameter)
    return AdamW(
        [{"params": groups[key], "weight_decay": key[0], RATE_SCALE: key[1]} for key in sorted(groups, reverse=True)],
        lr=config.learning_rate or 0.0,  # every update sets its own
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def rate_scale(model: nn.Module, name: str) -> float:
    """Return what a parameter's learning rate is multiplied by: base width / width for hidden matrices under init=mup, else 1.

    So the learning rate that is best at the base width is best at any (Yang et al. 2022, table 8, Adam).
    """
    config = getattr(model, "config", None)
    hidden = name.endswith("weight") and ("attention." in name or "feed_forward." in name) and "norm" not in name
    return config.mup_base_dim / config.dim if config is not None and config.init == "mup" and hidden else 1.0


OPTIMIZERS: dict[str, Callable[[nn.Module, OptimizerConfig], Optimizer]] = {"adamw": adamw}


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return the configured optimizer over the model's parameters."""
    return OPTIMIZERS[config.name](model, config)


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Use `learning_rate` for the next update of all parameters, scaled where their group says so."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[RATE_SCALE]


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
