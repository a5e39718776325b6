"""Gradients kept within bounds."""

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm


def clip_gradients(
    parameters: Iterable[nn.Parameter],
    max_norm: float | None,
    max_value: float | None,
    norm_of: Callable[[Sequence[Tensor]], Tensor] = get_total_norm,
) -> Tensor:
    """Return the global norm of the gradients, then bound them in place: together by `max_norm`, or each entry by `max_value`.

    By norm, all are multiplied by max_norm / norm if that is below 1 (Pascanu et al. 2013, algorithm 1): their direction is kept.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = norm_of(gradients)
    trained: Any = [SimpleNamespace(grad=_own_part(gradient)) for gradient in gradients]
    if max_norm is not None:
        clip_grads_with_norm_(trained, max_norm, norm)
    if max_value is not None:
        clip_grad_value_(trained, max_value)
    return norm


def _own_part(gradient: Tensor) -> Tensor:
    """Return what this rank holds of the gradient: for all shards at once torch searches a common layout, for seconds."""
    part: Tensor = gradient.to_local() if isinstance(gradient, DTensor) else gradient
    return part
