"""One optimizer step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.batch import Batch
from groundup.train.clipping import clip_gradients
from groundup.train.config import Recompute, RunPrecision
from groundup.train.loss import IGNORE, CrossEntropy, linear_cross_entropy
from groundup.train.loss_scale import LossScale
from groundup.train.optim.groups import set_learning_rate
from groundup.train.passes import SummedLoss
from groundup.train.ranks import ALONE, Ranks


@dataclass(frozen=True)
class StepResult:
    """What a step found before it changed the weights."""

    loss: float
    """Nats per predicted token."""
    grad_norm: float
    """Global norm of the gradient before clipping."""
    targets: int
    """Tokens that were predicted."""
    loss_scale: float | None = None
    """What the loss was multiplied by for the gradient's sake, in fp16."""
    overflow: bool = False
    """Whether it was multiplied by too much for the gradient to be finite: the weights are not changed by such a step."""


class TrainStep:
    """Forward, backward, clip, update.

    The gradient is that of the summed loss over all micro-batches by their targets together, however the tokens are split.
    With precision 'bf16' or 'fp16', matrices are multiplied in bfloat16 or float16 (autocast) while weights and optimizer state
    stay float32; in float16 the loss is scaled, and a step whose gradient overflows changes nothing but the scale. With
    'bf16_weights' the passes run through a copy of the model in bfloat16, and `model` is the master copy in float32. With
    `compiled`, blocks and loss are compiled in the first step; `recompute` says what blocks compute again.
    """

    def __init__(
        self,
        model: Transformer | Classifier,
        optimizer: Optimizer,
        precision: RunPrecision,
        clip_norm: float | None,
        device: torch.device,
        z_weight: float = 0.0,
        clip_value: float | None = None,
        compiled: bool = False,
        recompute: Recompute = "none",
        cross_entropy: CrossEntropy = linear_cross_entropy,
        ranks: Ranks = ALONE,
    ) -> None:
        """Take the loss as `cross_entropy` does, unless it is compiled; `ranks`: the processes that the model was arranged on."""
        self.model = model
        self.optimizer = optimizer
        self.loss_scale = LossScale() if precision == "fp16" else None
        self.ranks = ranks
        self._overflow = False
        self._clip_norm = clip_norm
        self._clip_value = clip_value
        if ranks.size == 1 and isinstance(model, Transformer) and model.head.output is None:
            model.embedding.sparse = True  # its rows' gradients are added into the head's: no second matrix of that size
        stand_in = ranks.stand_in(model, precision)
        passed = stand_in.model if stand_in else model
        self.loss = SummedLoss(passed, precision, device, z_weight, compiled, recompute, cross_entropy)
        """What passes run through."""
        self._passes = ranks.passes(self.loss, stand_in)

    def __call__(self, micro_batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Train on the micro-batches as one batch."""
        result = self.gradient(micro_batches)
        self.update(learning_rate)
        return result

    def gradient(self, micro_batches: Sequence[Batch]) -> StepResult:
        """Take the clipped gradient of the micro-batches as one batch; weights stay as they are."""
        targets = self.ranks.count(sum(int((batch.targets != IGNORE).sum()) for batch in micro_batches))
        scale = self.loss_scale.value if self.loss_scale else None
        loss = self.ranks.loss(self._passes(micro_batches, targets, scale))
        if self.loss_scale:
            self.loss_scale.unscale(self.model.parameters())
        grad_norm = clip_gradients(self.model.parameters(), self._clip_norm, self._clip_value, self.ranks.norm)
        self._overflow = scale is not None and bool(loss.isfinite()) and not bool(grad_norm.isfinite())
        return StepResult(loss.item(), grad_norm.item(), targets, scale, self._overflow)

    def update(self, learning_rate: float) -> None:
        """Change the weights by the gradient that was taken, unless it overflowed, and forget it."""
        set_learning_rate(self.optimizer, learning_rate)
        if not self._overflow:
            _widen_gradients(self.model)
            self.optimizer.step()
        if self.loss_scale:
            self.loss_scale.take(self._overflow)
        self.discard()

    def discard(self) -> None:
        """Forget the gradient that was taken."""
        self.optimizer.zero_grad(set_to_none=True)


def _widen_gradients(model: nn.Module) -> None:
    """Turn gradients that are held in fewer bits than their weights into numbers of the weights' precision, for the update."""
    for weight in model.parameters():
        if weight.grad is not None and weight.grad.dtype != weight.dtype:
            weight.grad = weight.grad.to(weight.dtype)
