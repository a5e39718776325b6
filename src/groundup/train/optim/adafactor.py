"""Adafactor."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import parameter_groups

MAX_RELATIVE_STEP = 1e-2


class Adafactor(Optimizer):
    """Adam with the squares of a matrix kept as one mean a row and one a column (Shazeer & Stern 2018, algorithms 4 and 5).

    The learning rate multiplies the paper's relative step min(0.01, 1/sqrt(t)) where there is one, else stands in its place.
    """

    def __init__(self, groups: list[dict[str, Any]], config: OptimizerConfig) -> None:
        super().__init__(groups, {"lr": 0.0})
        self._beta1, self._eps, self._min_scale = config.numbers("beta1", "eps", "min_scale")
        self._clip_threshold, self._decay_rate = config.numbers("clip_threshold", "decay_rate")
        self._relative_step, self._scale_parameter = bool(config.relative_step), bool(config.scale_parameter)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"], group["weight_decay"])

    def _update(self, parameter: Tensor, gradient: Tensor, rate: float, weight_decay: float) -> None:
        state = self.state[parameter] or self._begin(parameter)
        state["step"] += 1
        step = state["step"].item()
        update = self._normalised(gradient, state, 1 - math.pow(step, -self._decay_rate))
        update.div_((_rms(update) / self._clip_threshold).clamp_(min=1.0))
        relative = min(MAX_RELATIVE_STEP, 1 / math.sqrt(step)) if self._relative_step else 1.0
        scale = _rms(parameter).clamp_(min=self._min_scale) if self._scale_parameter else 1.0
        size = scale * (rate * relative)
        update.mul_(size)
        if self._beta1:
            update = state["exp_avg"].lerp_(update, 1 - self._beta1)
        parameter.mul_(1 - weight_decay * size)
        parameter.sub_(update)

    def _begin(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state[parameter]
        state["step"] = torch.zeros(())
        if parameter.ndim >= 2:
            state["exp_avg_sq_row"] = parameter.new_zeros(parameter.shape[:-1])
            state["exp_avg_sq_col"] = parameter.new_zeros((*parameter.shape[:-2], parameter.shape[-1]))
        else:
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        if self._beta1:
            state["exp_avg"] = torch.zeros_like(parameter)
        return state  # type: ignore[no-any-return]

    def _normalised(self, gradient: Tensor, state: dict[str, Tensor], decay: float) -> Tensor:
        """Take the gradient into the means of squares and return it over their root."""
        squares = gradient.square().add_(self._eps)
        if gradient.ndim < 2:
            return state["exp_avg_sq"].lerp_(squares, 1 - decay).rsqrt().mul_(gradient)
        row, column = state["exp_avg_sq_row"], state["exp_avg_sq_col"]
        row.lerp_(squares.mean(-1), 1 - decay)
        column.lerp_(squares.mean(-2), 1 - decay)
        row_factor = (row / row.mean(-1, keepdim=True)).rsqrt_().unsqueeze(-1)
        torch.mul(row_factor, column.unsqueeze(-2).rsqrt(), out=squares)
        return squares.mul_(gradient)


def _rms(x: Tensor) -> Tensor:
    norm: Tensor = x.norm()
    return norm / math.sqrt(x.numel())


def adafactor(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return Adafactor over the model's parameters."""
    return Adafactor(parameter_groups(model, config, mup_power=0.5 if config.scale_parameter else 1.0), config)
