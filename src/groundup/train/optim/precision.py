"""The mean of gradients kept in bfloat16 between steps."""

from typing import Any

import torch
from torch.optim import Optimizer

_MOMENTS = ("exp_avg", "momentum_buffer")
"""Names of the state that is a mean of gradients."""


def keep_momentum_in_bf16(optimizer: Optimizer) -> None:
    """Round the mean of gradients to bfloat16 after each step and widen it before the next; the update itself is in full precision.

    Means of squares stay as they are: with a decay near 1 they change by less than half of bfloat16's last digit and would stand
    still.
    """

    def widen(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for parameter, state in optimizer.state.items():
            _cast(state, parameter.dtype)

    def narrow(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for state in optimizer.state.values():
            _cast(state, torch.bfloat16)

    optimizer.register_step_pre_hook(widen)
    optimizer.register_step_post_hook(narrow)


def _cast(state: dict[str, torch.Tensor], dtype: torch.dtype) -> None:
    for name in _MOMENTS:
        if name in state:
            state[name] = state[name].to(dtype)
