"""One optimizer step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE, linear_cross_entropy
from groundup.train.optim import set_learning_rate


@dataclass(frozen=True)
class StepResult:
    """What a step found before it changed the weights."""

    loss: float
    """Nats per valid token."""
    grad_norm: float
    """Global norm of the gradient before clipping."""
    tokens: int
    """Valid tokens."""


class TrainStep:
    """Forward, backward, clip, update.

    The gradient is that of the summed loss over all micro-batches by their valid tokens together, however the tokens are split.
    With precision 'bf16', matrices are multiplied in bfloat16 (autocast) while weights and optimizer state stay float32.
    """

    def __init__(
        self,
        model: Transformer | Classifier,
        optimizer: Optimizer,
        precision: Literal["fp32", "bf16"],
        clip_norm: float,
        device: torch.device,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self._autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
        self._clip_norm = clip_norm
        self._device = device

    def __call__(self, micro_batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Train on the micro-batches as one batch."""
        tokens = sum(int((batch.targets != IGNORE).sum()) for batch in micro_batches)
        loss = torch.zeros((), device=self._device)
        for batch in micro_batches:
            part = self.loss_sum(batch.to(self._device)) / tokens
            torch.autograd.backward(part)
            loss += part.detach()
        grad_norm = clip_grad_norm_(self.model.parameters(), self._clip_norm)
        set_learning_rate(self.optimizer, learning_rate)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(loss.item(), grad_norm.item(), tokens)

    def loss_sum(self, batch: Batch) -> Tensor:
        """Return the loss of one micro-batch, summed over its valid tokens [nats]."""
        with self._autocast:
            head = self.model.head
            features = self.model.trunk(batch.inputs)
            return linear_cross_entropy(features, head.weight, batch.targets, head.bias, head.soft_cap)
