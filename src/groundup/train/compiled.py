"""Steps whose blocks and loss run as compiled kernels (torch.compile; Ansel et al. 2024)."""

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from groundup.nn.block import Block, ReadingBlock
from groundup.train.loss import LogitsLoss, fusible_logits_loss, logits_loss

_MAX_GRAPHS = 32
"""Shapes that one process may compile: plans time several before one is trained."""
_FORWARDS: dict[type[nn.Module], Callable[..., Any]] = {}


class CompiledBlocks:
    """The blocks of a model, run through compiled kernels inside `active()` and as they are outside of it.

    All blocks of a kind share one graph, so that compiling takes as long for many layers as for one. Evaluation and generation,
    whose shapes differ from call to call, never meet the compiler.
    """

    def __init__(self, model: nn.Module) -> None:
        self._blocks = [block for block in model.modules() if isinstance(block, (Block, ReadingBlock))]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Compile at the first use of a shape; takes seconds then."""
        for block in self._blocks:
            setattr(block, "forward", MethodType(_compiled_forward(type(block)), block))  # noqa: B010  to a type checker a method stays
        try:
            yield
        finally:
            for block in self._blocks:
                delattr(block, "forward")


def _compiled_forward(kind: type[nn.Module]) -> Callable[..., Any]:
    if kind not in _FORWARDS:
        _FORWARDS[kind] = _compile(kind.forward)
    return _FORWARDS[kind]


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
