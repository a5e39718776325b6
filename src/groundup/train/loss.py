"""The loss of a language model: cross-entropy of a linear head, in nats."""

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
    hidden: Float[Tensor, "*batch dim"],
    head_weight: Float[Tensor, "vocab dim"],
    targets: Int[Tensor, "*batch"],
    chunk_rows: int = _CHUNK_ROWS,
) -> Float[Tensor, ""]:
    """Return the summed cross-entropy of `targets` under softmax(hidden @ head_weight.T) over all targets but IGNORE, in nats.

    Logits exist for `chunk_rows` positions at a time: in the autocast dtype where autocast is on, with the log-sum-exp in
    float32 (float64 for float64). The gradient is taken in the same pass, so backward only scales it; there is no second
    derivative.
    """
    dtype = compute_dtype(hidden)
    rows = hidden.reshape(-1, hidden.shape[-1])
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _LinearCrossEntropy.apply(rows, head_weight, targets.reshape(-1), dtype, chunk_rows)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and gradient of linear head + cross-entropy, chunk by chunk."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, chunk_rows: int) -> Tensor:
        needs_grad = any(ctx.needs_input_grad[:2])
        exact = torch.promote_types(dtype, torch.float32)
        head = weight.to(dtype)
        loss = torch.zeros((), dtype=exact, device=hidden.device)
        hidden_grad = torch.empty_like(hidden) if needs_grad else None
        weight_grad = torch.zeros_like(weight) if needs_grad else None
        for start in range(0, len(hidden), chunk_rows):
            chunk = slice(start, start + chunk_rows)
            inputs = hidden[chunk].to(dtype)
            log_probs = torch.log_softmax(inputs @ head.T, dim=-1, dtype=exact)  # rows, vocab
            valid = targets[chunk] != IGNORE
            chosen = targets[chunk].clamp(min=0)[:, None]
            loss -= log_probs.gather(1, chosen)[:, 0].masked_fill_(~valid, 0).sum()
            if hidden_grad is not None and weight_grad is not None:
                logits_grad = log_probs.exp_().scatter_add_(1, chosen, -torch.ones_like(chosen, dtype=exact))
                logits_grad = logits_grad.to(dtype).masked_fill_(~valid[:, None], 0)
                hidden_grad[chunk] = logits_grad @ head
                weight_grad += logits_grad.T @ inputs
        ctx.save_for_backward(hidden_grad, weight_grad)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        return hidden_grad * scale, weight_grad * scale, None, None, None
