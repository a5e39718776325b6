"""Batches: what one backward pass sees."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Tokens, the tokens that follow them, and which document each token is of (None: one a row)."""

    inputs: Int[Tensor, "batch seq"]
    targets: Int[Tensor, "batch seq"]
    document_ids: Int[Tensor, "batch seq"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        ids = None if self.document_ids is None else self.document_ids.to(device)
        return Batch(self.inputs.to(device), self.targets.to(device), ids)
