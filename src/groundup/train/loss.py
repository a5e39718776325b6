"""The loss of a language model: cross-entropy of a linear head, in nats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.nn.precision import compute_dtype

IGNORE = -100
"""Target of positions that have none (padding)."""

LogitsLoss = Callable[[Tensor, Tensor, float | None, float, bool], tuple[Tensor, Tensor, Tensor | None]]
"""(logits, targets, soft cap, weight of the z-loss, whether a gradient is wanted) -> (cross-entropy, z-loss, gradient)."""
CrossEntropy = Callable[[Tensor, Tensor, Tensor, Tensor | None, float | None, float], tuple[Tensor, Tensor]]
"""(features, head's weight, targets, head's bias, soft cap, weight of the z-loss) -> what `linear_cross_entropy` returns."""
_CHUNK_ROWS = 512
COMPILED_CHUNK_ROWS = 1024
"""Rows whose logits exist at once where the loss is compiled: it needs no tables beside them."""


def logits_loss(
    logits: Float[Tensor, "rows vocab"], targets: Int[Tensor, " rows"], soft_cap: float | None, z_weight: float, wants_grad: bool
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "rows vocab"] | None]:
    """Return cross-entropy, z-loss (both summed, in at least float32) and their gradient in the dtype of the logits.

    The memory of the logits is used up.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    if soft_cap is not None:
        logits = logits.div_(soft_cap).tanh_().mul_(soft_cap)
    log_probs = torch.log_softmax(logits, dim=-1, dtype=exact)
    valid = targets != IGNORE
    chosen = targets.clamp(min=0)[:, None]
    right = log_probs.gather(1, chosen)  # rows, 1
    loss = -right[:, 0].masked_fill(~valid, 0).sum()
    log_z = logits.gather(1, chosen).to(exact) - right
    penalty = z_weight * log_z[:, 0].square().masked_fill(~valid, 0).sum()
    if not wants_grad:
        return loss, penalty, None
    probs = log_probs.exp_()
    if z_weight:
        probs.mul_(1 + 2 * z_weight * log_z)
    grad = probs.scatter_add_(1, chosen, -torch.ones_like(chosen, dtype=exact))
    grad = grad.to(logits.dtype).masked_fill_(~valid[:, None], 0)
    if soft_cap is not None:
        grad.mul_(1 - logits.div_(soft_cap).square_())
    return loss, penalty, grad


def fusible_logits_loss(
    logits: Float[Tensor, "rows vocab"], targets: Int[Tensor, " rows"], soft_cap: float | None, z_weight: float, wants_grad: bool
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "rows vocab"] | None]:
    """Return what `logits_loss` does, written for a compiler: a row's numbers come of its maximum, its sum and its target at once.

    The gradient overwrites the logits.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    wide = logits.to(exact)
    capped = wide if soft_cap is None else soft_cap * torch.tanh(wide / soft_cap)
    valid = targets != IGNORE
    chosen = targets.clamp(min=0)[:, None]
    top = capped.amax(-1, keepdim=True)
    log_z = top + (capped - top).exp().sum(-1, keepdim=True).log()
    loss = (log_z - capped.gather(1, chosen))[:, 0].masked_fill(~valid, 0).sum()
    penalty = z_weight * log_z[:, 0].square().masked_fill(~valid, 0).sum()
    if not wants_grad:
        return loss, penalty, None
    is_chosen = torch.arange(logits.shape[1], device=logits.device) == chosen
    grad = (capped - log_z).exp() * (1 + 2 * z_weight * log_z) - is_chosen.to(exact)
    if soft_cap is not None:
        grad = grad * (1 - (capped / soft_cap).square())
    logits.copy_(grad.masked_fill(~valid[:, None], 0))
    return loss, penalty, logits


def linear_cross_entropy(
    features: Float[Tensor, "*batch dim"],
    head_weight: Float[Tensor, "vocab dim"],
    targets: Int[Tensor, "*batch"],
    head_bias: Float[Tensor, " vocab"] | None = None,
    soft_cap: float | None = None,
    z_weight: float = 0.0,
    chunk_rows: int = _CHUNK_ROWS,
    kernel: LogitsLoss = logits_loss,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return what is to be made small, and of it the cross-entropy of `targets`, both summed over the targets in nats.

    The logits are features @ head_weight.T + head_bias; with a soft cap c, c tanh(logit / c). All targets but IGNORE count. To the
    cross-entropy come z_weight (log Z)^2 a target, Z being the sum of the exponentials of its logits: it keeps Z near 1 (z-loss:
    Chowdhery et al. 2022, section 5). The second result has no gradient.

    Logits exist for `chunk_rows` positions at a time: in the autocast dtype where autocast is on, with the log-sum-exp in float32
    (float64 for float64). The gradient is taken in the same pass, so backward only scales it, where it lies: it may be called once,
    and there is no second derivative.
    """
    settings = _Settings(compute_dtype(features), soft_cap, z_weight, chunk_rows, kernel)
    rows = features.reshape(-1, features.shape[-1])
    with torch.autocast(features.device.type, enabled=False):
        both: tuple[Tensor, Tensor] = _LinearCrossEntropy.apply(rows, head_weight, head_bias, targets.reshape(-1), settings)  # type: ignore[no-untyped-call]
    return both


@dataclass(frozen=True)
class _Settings:
    dtype: torch.dtype
    soft_cap: float | None
    z_weight: float
    chunk_rows: int
    kernel: LogitsLoss


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and gradient of linear head + cross-entropy, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, settings: _Settings
    ) -> tuple[Tensor, Tensor]:
        dtype = settings.dtype
        exact = torch.promote_types(dtype, torch.float32)
        head, head_bias = weight.to(dtype), None if bias is None else bias.to(dtype)
        loss, penalty = (torch.zeros((), dtype=exact, device=features.device) for _ in range(2))
        grads = _Gradients(features, weight, bias) if any(ctx.needs_input_grad[:3]) else None
        for start in range(0, len(features), settings.chunk_rows):
            chunk = slice(start, start + settings.chunk_rows)
            inputs = features[chunk].to(dtype)
            logits = torch.nn.functional.linear(inputs, head, head_bias)  # rows, vocab
            part, part_penalty, logits_grad = settings.kernel(
                logits, targets[chunk], settings.soft_cap, settings.z_weight, grads is not None
            )
            loss += part
            penalty += part_penalty
            if grads is not None and logits_grad is not None:
                grads.add(chunk, logits_grad, inputs, head)
            del logits_grad  # not to be there beside the next chunk's logits
        ctx.grads = grads.as_tuple() if grads is not None else (None, None, None)
        ctx.mark_non_differentiable(loss)
        return loss + penalty, loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grads, ctx.grads = ctx.grads, None
        assert grads is not None, "the gradient was scaled where it lies: there is one backward pass"
        return *(None if grad is None else grad.mul_(scale) for grad in grads), None, None


class _Gradients:
    """Sums of the gradients over the chunks."""

    def __init__(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        self._features = torch.empty_like(features)
        self._like = weight
        self._exact = torch.promote_types(weight.dtype, torch.float32)
        self._weight: Tensor | None = None
        self._bias = None if bias is None else torch.zeros_like(bias, dtype=self._exact)

    def add(self, chunk: slice, logits_grad: Tensor, inputs: Tensor, head: Tensor) -> None:
        self._features[chunk] = logits_grad @ head
        part = logits_grad.T @ inputs
        self._weight = part.to(self._exact) if self._weight is None else self._weight.add_(part)
        if self._bias is not None:
            self._bias += logits_grad.sum(0)

    def as_tuple(self) -> tuple[Tensor, Tensor, Tensor | None]:
        weight = torch.zeros_like(self._like) if self._weight is None else self._weight.to(self._like.dtype)
        return self._features, weight, None if self._bias is None else self._bias.to(self._like.dtype)
