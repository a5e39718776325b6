"""What one backward pass sees."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from groundup.nn.transformer import Inputs


@dataclass(frozen=True)
class Batch:
    """What the model reads, and the token that it is to predict at each place (IGNORE: none)."""

    inputs: Inputs
    targets: Int[Tensor, "batch seq"]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(self.inputs.to(device), self.targets.to(device))

    def rows(self, start: int, stop: int) -> "Batch":
        """Return some of its rows."""
        return Batch(self.inputs.rows(start, stop), self.targets[start:stop])
