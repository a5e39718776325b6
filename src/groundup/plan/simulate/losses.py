"""The loss whose logits exist all at once, as most of the field takes it."""

from typing import Final, Literal

import torch.nn.functional as F
from torch import Tensor

from groundup.train.loss import IGNORE, CrossEntropy, linear_cross_entropy

LossName = Literal["whole", "chunked"]


def whole_cross_entropy(
    features: Tensor,
    head_weight: Tensor,
    targets: Tensor,
    head_bias: Tensor | None = None,
    soft_cap: float | None = None,
    z_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return what `linear_cross_entropy` does, by torch's cross-entropy in float32 over all positions; there is no z-loss."""
    assert z_weight == 0, "only the chunked loss has one"
    logits = F.linear(features, head_weight, head_bias).flatten(0, -2).float()
    if soft_cap is not None:
        logits = soft_cap * (logits / soft_cap).tanh()
    loss = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return loss, loss.detach()


LOSSES: Final[dict[LossName, CrossEntropy]] = {"whole": whole_cross_entropy, "chunked": linear_cross_entropy}
