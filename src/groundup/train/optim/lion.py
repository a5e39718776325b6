"""Lion."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import parameter_groups


class Lion(Optimizer):
    """Move every entry by the whole learning rate along the sign of an average (Chen et al. 2023, algorithm 2)."""

    def __init__(self, groups: list[dict[str, Any]], beta1: float, beta2: float) -> None:
        super().__init__(groups, {"lr": 0.0, "betas": (beta1, beta2)})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            rate, (beta1, beta2) = group["lr"], group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                mean = state["exp_avg"]
                parameter.mul_(1 - rate * group["weight_decay"])
                parameter.add_(mean.lerp(parameter.grad, 1 - beta1).sign_(), alpha=-rate)
                mean.lerp_(parameter.grad, 1 - beta2)


def lion(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return Lion over the model's parameters."""
    beta1, beta2 = config.numbers("beta1", "beta2")
    return Lion(parameter_groups(model, config, mup_power=1.0), beta1, beta2)
