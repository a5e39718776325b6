"""Muon."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw as adamw_update

from groundup.train.optim.config import OptimizerConfig, RateAdjustment, Role, adamw_peak
from groundup.train.optim.groups import RATE_SCALE, parameter_groups

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x^3 and x^5 (Jordan et al. 2024): steep at 0; 5 iterations bring 0.002 to 1 to between 0.68 and 1.21."""
_EPS = 1e-7
BATCH_ELEMENTS = 1 << 22
"""Most elements that are made orthogonal at once: it bounds the scratch memory."""
_ORTHOGONAL = "orthogonal"
"""Key of a parameter group: whether its updates are made orthogonal; the others are AdamW's."""


class Muon(Optimizer):
    """Momentum of the blocks' matrices made orthogonal, each matrix by itself (Jordan et al. 2024); AdamW for all else."""

    def __init__(self, groups: list[dict[str, Any]], config: OptimizerConfig) -> None:
        beta1, beta2, eps, self._momentum = config.numbers("beta1", "beta2", "eps", "momentum")
        super().__init__(groups, {"lr": 0.0, "betas": (beta1, beta2), "eps": eps})
        self._nesterov = bool(config.nesterov)
        self._adjustment = config.rate_adjustment
        self._steps = int(config.numbers("newton_schulz_steps")[0])
        self._in_bf16 = config.newton_schulz_precision == "bf16"

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not group[_ORTHOGONAL]:
                self._update_adamw(parameters, group)
                continue
            for batch in _alike(parameters):
                self._update_matrices(batch, group["lr"], group["weight_decay"])

    def _update_matrices(self, matrices: list[Tensor], rate: float, weight_decay: float) -> None:
        """Update matrices that are of one shape, lying or standing."""
        updates = torch.stack([_lying(self._direction(matrix)) for matrix in matrices])
        for matrix, update in zip(matrices, orthogonal(updates, self._steps), strict=True):
            matrix.mul_(1 - rate * weight_decay)
            matrix.add_(update.mT if _stands(matrix) else update, alpha=-rate * adjustment(matrix.shape, self._adjustment))

    def _direction(self, matrix: Tensor) -> Tensor:
        """Take the gradient into the momentum and return what is to be made orthogonal, in the dtype that it is done in."""
        state, gradient = self.state[matrix], matrix.grad
        assert gradient is not None, "step leaves out what has none"
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - self._momentum)
        direction = gradient.lerp(mean, self._momentum) if self._nesterov else mean
        return direction.to(torch.bfloat16 if self._in_bf16 else torch.promote_types(direction.dtype, torch.float32))

    def _update_adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter].update(
                    step=torch.zeros((), device=parameter.device),
                    exp_avg=torch.zeros_like(parameter),
                    exp_avg_sq=torch.zeros_like(parameter),
                )
        states = [self.state[parameter] for parameter in parameters]
        adamw_update(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonal(matrices: Tensor, steps: int) -> Tensor:
    """Return U S' V^T for each lying matrix U S V^T, S' near 1, by Newton-Schulz iteration: [batch, rows, columns >= rows]."""
    a, b, c = NEWTON_SCHULZ
    norm: Tensor = torch.linalg.vector_norm(matrices, dim=(-2, -1), keepdim=True)
    x: Tensor = matrices / norm.clamp(min=_EPS)  # its largest singular value is at most 1
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def adjustment(shape: torch.Size, kind: RateAdjustment | None) -> float:
    """Return the factor of a matrix's learning rate, which makes up for the size of an orthogonal matrix.

    'match_rms_adamw' gives entries of root mean square 0.2, as AdamW's updates have (Liu et al. 2025, section 2.2).
    """
    rows, columns = shape
    return 0.2 * math.sqrt(max(rows, columns)) if kind == "match_rms_adamw" else math.sqrt(max(1.0, rows / columns))


def _alike(matrices: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield the matrices of one shape, lying or standing, together; at most BATCH_ELEMENTS at a time, or one."""
    shapes: dict[torch.Size, list[Tensor]] = {}
    for matrix in matrices:
        shapes.setdefault(_lying(matrix).shape, []).append(matrix)
    for shape, alike in shapes.items():
        size = max(1, BATCH_ELEMENTS // shape.numel())
        yield from (alike[at : at + size] for at in range(0, len(alike), size))


def _stands(matrix: Tensor) -> bool:
    return matrix.shape[0] > matrix.shape[1]


def _lying(matrix: Tensor) -> Tensor:
    return matrix.mT if _stands(matrix) else matrix


def muon(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return Muon over the model's parameters."""
    original = config.rate_adjustment == "original"
    others = {_ORTHOGONAL: False, RATE_SCALE: _adamw_scale(model, config), "fused": True}

    def settings(role: Role) -> dict[str, Any]:
        return {_ORTHOGONAL: True} if role == "matrices" else others

    return Muon(parameter_groups(model, config, 0.0 if original else 0.5, settings), config)


def _adamw_scale(model: nn.Module, config: OptimizerConfig) -> float:
    """Return AdamW's peak over that of the matrices."""
    if config.adamw_learning_rate is None and config.rate_adjustment != "original":
        return 1.0
    of_model: Any = getattr(model, "config", None)
    return (config.adamw_learning_rate or adamw_peak(of_model)) / config.peak(of_model)
