"""A copy of a run in host memory."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from groundup.train.state import RunState


class Snapshot:
    """The run as it was at one step, in memory that the next snapshot uses again.

    Weights and optimizer state only change in an update. So `aim` takes what is cheap to copy at the end of a step, and `copy` may
    run in another thread while the next gradient is taken, if it is done before the next update.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.weights: dict[str, Tensor] = {}
        self.tensors: dict[str, Tensor] = {}
        self._sources: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})

    @property
    def step(self) -> int | None:
        """Steps of the run that is held; None if there is none."""
        return self.facts.get("step")

    def aim(self, run: RunState) -> None:
        """Note what is to be copied."""
        self.facts = run.facts()
        self._sources = run.weights(), run.tensors()

    def copy(self) -> None:
        """Copy what was aimed at."""
        weights, tensors = self._sources
        self.weights, self.tensors = copied(weights, self.weights), copied(tensors, self.tensors)
        self._sources = ({}, {})

    def put_back(self, run: RunState) -> None:
        """Make the run what it was."""
        run.load(self.weights, {name: tensor.clone() for name, tensor in self.tensors.items()}, self.facts)


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
