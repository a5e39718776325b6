"""Operations of all ranks of a group on tensors."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


def sum_over(tensor: Tensor, *groups: dist.ProcessGroup) -> Tensor:
    """Return the sum over all ranks of the groups together, one group after the other; `tensor` stays as it is.

    What is handed to gloo lies densely in memory: of other tensors it can make wrong numbers without an error.
    """
    summed = tensor.detach().clone(memory_format=torch.contiguous_format)
    for group in groups:
        if group.size() > 1:
            dist.all_reduce(summed, group=group)
    return summed


def sum_in_place(tensor: Tensor, group: dist.ProcessGroup) -> None:
    """Replace a dense tensor by its sum over the ranks of the group."""
    assert tensor.is_contiguous(), "gloo makes wrong numbers of what is not"
    if group.size() > 1:
        dist.all_reduce(tensor, group=group)


def sum_wide(tensor: Tensor, group: dist.ProcessGroup) -> None:
    """Replace a dense tensor by its sum over the ranks of the group, taken in at least 32 bits."""
    wide = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
    sum_in_place(wide, group)
    if wide is not tensor:
        tensor.copy_(wide)


def sum_gradients(model: nn.Module, group: dist.ProcessGroup) -> None:
    """Replace the gradient of each parameter by the sum over the ranks of the group, taken in at least 32 bits."""
    for parameter in model.parameters():
        if parameter.grad is not None and group.size() > 1:
            sum_wide(dense_gradient(parameter), group)


def dense_gradient(parameter: nn.Parameter) -> Tensor:
    """Return the parameter's gradient, or this rank's part of it, itself; zeros if it has none."""
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    local: Tensor = gradient.to_local() if isinstance(gradient, DTensor) else gradient
    if not local.is_contiguous():
        gradient = gradient.contiguous()
    parameter.grad = gradient
    return gradient.to_local() if isinstance(gradient, DTensor) else gradient


def sum_shares(model: nn.Module) -> None:
    """Sum gradients of which ranks have shares, so that those of weights that all ranks hold whole are whole."""
    for parameter in model.parameters():
        if not isinstance(parameter, DTensor) or not isinstance(parameter.grad, DTensor):
            continue
        if parameter.grad.placements != parameter.placements:
            parameter.grad = parameter.grad.redistribute(placements=parameter.placements)
