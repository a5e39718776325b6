"""Steps whose blocks and loss run as compiled kernels (torch.compile; Ansel et al. 2024)."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from groundup.train.blocks import Forward
from groundup.train.loss import LogitsLoss, fusible_logits_loss, logits_loss

_MAX_GRAPHS = 32
"""Shapes that one process may compile: plans time several before one is trained."""


@cache
def compiled_forward(forward: Forward) -> Forward:
    """Return what blocks do as compiled kernels, made at the first use of a shape: that takes seconds.

    All blocks of a kind share one graph, so that compiling takes as long for many layers as for one.
    """
    return _compile(forward)


@cache
def compiled_logits_loss() -> LogitsLoss:
    """Return the loss of given logits as one kernel for any number of rows."""
    fused = _compile(fusible_logits_loss)

    def loss(logits: Tensor, targets: Tensor, soft_cap: float | None, z_weight: float, wants_grad: bool) -> Any:
        if len(logits) == 1:  # a compiler takes a size of one for a constant
            return logits_loss(logits, targets, soft_cap, z_weight, wants_grad)
        for tensor in (logits, targets):
            torch._dynamo.mark_dynamic(tensor, 0)
        return fused(logits, targets, soft_cap, z_weight, wants_grad)

    return loss


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _MAX_GRAPHS)
    return torch.compile(function, dynamic=False)
