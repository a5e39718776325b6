"""Copies of tensors in host memory."""

from collections.abc import Mapping

import torch
from torch import Tensor


def copied(sources: Mapping[str, Tensor], room: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of the tensors on the CPU, in `room` where that fits."""
    copies = {}
    for name, source in sources.items():
        target = room.get(name)
        if target is None or target.shape != source.shape or target.dtype != source.dtype:
            target = torch.empty(source.shape, dtype=source.dtype)
        copies[name] = _copy(source.detach(), target)
    return copies


def _copy(source: Tensor, target: Tensor) -> Tensor:
    """Copy without torch's threads, which are busy with the gradient, where memory is plain."""
    if source.device.type == "cpu" and source.is_contiguous() and source.ndim:
        target.view(torch.uint8).numpy()[...] = source.view(torch.uint8).numpy()
        return target
    return target.copy_(source)
