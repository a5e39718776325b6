"""The weights that training starts from, drawn where they lie."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from groundup.nn.attention import KernelName
from groundup.nn.config import ModelConfig
from groundup.nn.init import first_values
from groundup.nn.transformer import Transformer, build_model


def first_weights(
    config: ModelConfig,
    attention: KernelName,
    generator: torch.Generator,
    arrange: Callable[[Transformer], Transformer],
    device: torch.device,
) -> Transformer:
    """Return the arranged model with its part of the weights that one process would draw, bit for bit.

    No rank ever holds more than what `arrange` leaves it and one whole tensor: all are drawn on every rank, one after the other.
    """
    with torch.device("meta"):
        described, arranged = build_model(config, attention), arrange(build_model(config, attention))
    _make_room(arranged, device)
    own = dict(arranged.named_parameters())
    for name, value in first_values(described, config, generator):
        if name in own:
            _put(value, own[name])
    return arranged


def _make_room(model: nn.Module, device: torch.device) -> None:
    """Give the weights that are on the device 'meta' memory; buffers have theirs."""
    if not any(weight.is_meta for weight in model.parameters()):
        return
    buffers = [(module, name, buffer) for module in model.modules() for name, buffer in module.named_buffers(recurse=False)]
    model.to_empty(device=device)
    for module, name, buffer in buffers:
        setattr(module, name, buffer.to(device))


@torch.no_grad()
def _put(value: Tensor, weight: nn.Parameter) -> None:
    assert weight.shape == value.shape, "a sharded weight knows the shape of the whole"
    if isinstance(weight, DTensor):
        part = distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)
        weight.to_local().copy_(part.to_local())
    else:
        weight.copy_(value)
