"""The loss made larger so that small gradients are numbers in float16."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

INITIAL = 2.0**16
GROWTH_STEPS = 2000
MINIMUM = 1.0
"""A gradient that overflows without any scaling is no matter of the scale."""


class LossScale:
    """A factor of the loss, found by trying (Micikevicius et al. 2018, section 3.2).

    It is halved after a step whose gradient overflows, which is skipped, and doubled after `growth_steps` steps in a row that did
    not: what torch.amp.GradScaler does with its defaults.
    """

    def __init__(self, initial: float = INITIAL, growth_steps: int = GROWTH_STEPS) -> None:
        self.value = initial
        self._growth_steps = growth_steps
        self._good_steps = 0

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Take the factor out of the gradients."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(gradients, 1.0 / self.value)

    def take(self, overflow: bool) -> None:
        """Adapt the factor to a step."""
        self._good_steps = 0 if overflow else self._good_steps + 1
        if overflow:
            self.value = max(self.value / 2, MINIMUM)
        elif self._good_steps == self._growth_steps:
            self.value, self._good_steps = self.value * 2, 0

    def facts(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON."""
        return {"value": self.value, "good_steps": self._good_steps}

    def load(self, facts: Mapping[str, Any]) -> None:
        """Put back what `facts` returned, exactly."""
        self.value, self._good_steps = float(facts["value"]), int(facts["good_steps"])
