"""One optimizer step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.optim import Optimizer

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.blocks import BlockWays
from groundup.train.clipping import clip_gradients
from groundup.train.compiled import compiled_forward, compiled_logits_loss
from groundup.train.config import Recompute, RunPrecision
from groundup.train.loss import COMPILED_CHUNK_ROWS, IGNORE, CrossEntropy, linear_cross_entropy
from groundup.train.loss_scale import LossScale
from groundup.train.optim.groups import set_learning_rate
from groundup.train.recompute import recomputing
from groundup.train.working_copy import WorkingCopy

_AUTOCAST: Final[dict[RunPrecision, torch.dtype]] = {
    "bf16": torch.bfloat16,
    "bf16_weights": torch.bfloat16,
    "fp16": torch.float16,
}
"""What matrices are multiplied in where it is not what weights are held in."""
FEW_TARGETS = 0.5
"""Where fewer places than this share are predicted, the head is spared the others."""


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


def autocast(precision: RunPrecision, device: str) -> torch.autocast:
    """Return the context in which matrices are multiplied in that precision."""
    return torch.autocast(device, dtype=_AUTOCAST.get(precision), enabled=precision in _AUTOCAST)


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
    ) -> None:
        """Take the loss as `cross_entropy` does, unless it is compiled."""
        self.model = model
        self.optimizer = optimizer
        self.loss_scale = LossScale() if precision == "fp16" else None
        self._overflow = False
        self._autocast = autocast(precision, device.type)
        self._clip_norm = clip_norm
        self._clip_value = clip_value
        self._device = device
        self._z_weight = z_weight
        self._cross_entropy = cross_entropy
        self._recomputes = recompute != "none"
        if isinstance(model, Transformer) and model.head.output is None:
            model.embedding.sparse = True  # its rows' gradients are added into the head's: no second matrix of that size
        self._copy = WorkingCopy(model) if precision == "bf16_weights" else None
        self.passed = self._copy.model if self._copy else model
        """What passes run through."""
        ways = [recomputing(recompute, self.passed), compiled_forward if compiled else None]
        self._blocks = BlockWays(self.passed, [way for way in ways if way is not None])
        if compiled:
            self._cross_entropy = partial(linear_cross_entropy, chunk_rows=COMPILED_CHUNK_ROWS, kernel=compiled_logits_loss())

    def __call__(self, micro_batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Train on the micro-batches as one batch."""
        result = self.gradient(micro_batches)
        self.update(learning_rate)
        return result

    def gradient(self, micro_batches: Sequence[Batch]) -> StepResult:
        """Take the clipped gradient of the micro-batches as one batch; weights stay as they are."""
        targets = sum(int((batch.targets != IGNORE).sum()) for batch in micro_batches)
        loss, scale = torch.zeros((), device=self._device), self.loss_scale.value if self.loss_scale else None
        if self._copy:
            self._copy.refresh()
        for batch in micro_batches:
            wanted, cross_entropy = self.losses(batch.to(self._device))
            torch.autograd.backward(wanted / targets * (scale or 1.0))
            loss += cross_entropy / targets
        if self.loss_scale:
            self.loss_scale.unscale(self.model.parameters())
        grad_norm = clip_gradients(self.model.parameters(), self._clip_norm, self._clip_value)
        self._overflow = scale is not None and bool(loss.isfinite()) and not bool(grad_norm.isfinite())
        return StepResult(loss.item(), grad_norm.item(), targets, scale, self._overflow)

    def update(self, learning_rate: float) -> None:
        """Change the weights by the gradient that was taken, unless it overflowed, and forget it."""
        set_learning_rate(self.optimizer, learning_rate)
        if not self._overflow:
            self.optimizer.step()
        if self.loss_scale:
            self.loss_scale.take(self._overflow)
        self.discard()

    def discard(self) -> None:
        """Forget the gradient that was taken."""
        self.optimizer.zero_grad(set_to_none=True)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what is to be made small over one micro-batch, and of it the cross-entropy; summed over its targets [nats]."""
        head, targets, hidden = self.passed.head, batch.targets, self.hidden(batch.inputs)
        predicted = targets != IGNORE
        if int(predicted.sum()) < FEW_TARGETS * predicted.numel():
            hidden, targets = hidden[predicted], targets[predicted]
        with self._autocast:
            return self._cross_entropy(head.features(hidden), head.weight, targets, head.bias, head.soft_cap, self._z_weight)

    def hidden(self, inputs: Inputs) -> Tensor:
        """Return the vectors that the head gets, the blocks being run as the step runs them."""
        with self._autocast, self._blocks.active():
            hidden = self.passed.hidden(inputs)
        if self._recomputes:
            torch.clear_autocast_cache()  # copies of weights, which are made again as well
        return hidden
