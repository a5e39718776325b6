"""The loss of a language model: cross-entropy of a linear head, in nats."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.nn.precision import compute_dtype

IGNORE = -100
"""Target of positions that have none (padding)."""
_CHUNK_ROWS = 512


def linear_cross_entropy(
    features: Float[Tensor, "*batch dim"],
    head_weight: Float[Tensor, "vocab dim"],
    targets: Int[Tensor, "*batch"],
    head_bias: Float[Tensor, " vocab"] | None = None,
    soft_cap: float | None = None,
    z_weight: float = 0.0,
    chunk_rows: int = _CHUNK_ROWS,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return what is to be made small, and of it the cross-entropy of `targets`, both summed over the targets in nats.

    The logits are features @ head_weight.T + head_bias; with a soft cap c, c tanh(logit / c). All targets but IGNORE count. To the
    cross-entropy come z_weight (log Z)^2 a target, Z being the sum of the exponentials of its logits: it keeps Z near 1 (z-loss:
    Chowdhery et al. 2022, section 5). The second result has no gradient.

    Logits exist for `chunk_rows` positions at a time: in the autocast dtype where autocast is on, with the log-sum-exp in float32
    (float64 for float64). The gradient is taken in the same pass, so backward only scales it; there is no second derivative.
    """
    settings = _Settings(compute_dtype(features), soft_cap, z_weight, chunk_rows)
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
            if settings.soft_cap is not None:
                logits = logits.div_(settings.soft_cap).tanh_().mul_(settings.soft_cap)
            log_probs = torch.log_softmax(logits, dim=-1, dtype=exact)
            valid = targets[chunk] != IGNORE
            chosen = targets[chunk].clamp(min=0)[:, None]
            right = log_probs.gather(1, chosen)  # rows, 1
            loss -= right[:, 0].masked_fill(~valid, 0).sum()
            log_z = logits.gather(1, chosen).to(exact) - right if settings.z_weight else None
            if log_z is not None:
                penalty += settings.z_weight * log_z[:, 0].square().masked_fill(~valid, 0).sum()
            if grads is not None:
                probs = log_probs.exp_()
                if log_z is not None:
                    probs.mul_(1 + 2 * settings.z_weight * log_z)
                logits_grad = probs.scatter_add_(1, chosen, -torch.ones_like(chosen, dtype=exact))
                logits_grad = logits_grad.to(dtype).masked_fill_(~valid[:, None], 0)
                if settings.soft_cap is not None:
                    logits_grad.mul_(1 - logits.div_(settings.soft_cap).square_())
                grads.add(chunk, logits_grad, inputs, head)
        ctx.save_for_backward(*(grads.as_tuple() if grads is not None else (None, None, None)))
        ctx.mark_non_differentiable(loss)
        return loss + penalty, loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return *(None if grad is None else grad * scale for grad in ctx.saved_tensors), None, None


class _Gradients:
    """Sums of the gradients over the chunks."""

    def __init__(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        self._features = torch.empty_like(features)
        self._weight = torch.zeros_like(weight)
        self._bias = None if bias is None else torch.zeros_like(bias)

    def add(self, chunk: slice, logits_grad: Tensor, inputs: Tensor, head: Tensor) -> None:
        self._features[chunk] = logits_grad @ head
        self._weight += logits_grad.T @ inputs
        if self._bias is not None:
            self._bias += logits_grad.sum(0)

    def as_tuple(self) -> tuple[Tensor, Tensor, Tensor | None]:
        return self._features, self._weight, self._bias
