"""A copy of a run in host memory."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from groundup.train.state import RunState

Copying = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]
"""Makes copies of tensors, in the room of other ones where that fits."""


class Snapshot:
    """The run as it was at one step, in memory that the next snapshot uses again.

    Weights and optimizer state only change in an update. So `aim` takes what is cheap to copy at the end of a step, and `copy` may
    run in another thread while the next gradient is taken, if it is done before the next update.
    """

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
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
        self.weights, self.tensors = self._copying(weights, self.weights), self._copying(tensors, self.tensors)
        self._sources = ({}, {})

    def put_back(self, run: RunState) -> None:
        """Make the run what it was."""
        run.load(self.weights, {name: tensor.clone() for name, tensor in self.tensors.items()}, self.facts)
