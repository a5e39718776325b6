"""How the gradient of a batch is taken: passes over its micro-batches."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.blocks import BlockWays
from groundup.train.compiled import compiled_forward, compiled_logits_loss
from groundup.train.config import Recompute, RunPrecision
from groundup.train.loss import COMPILED_CHUNK_ROWS, IGNORE, CrossEntropy, linear_cross_entropy
from groundup.train.recompute import recomputing
from groundup.train.working_copy import StandIn

_AUTOCAST: Final[dict[RunPrecision, torch.dtype]] = {
    "bf16": torch.bfloat16,
    "bf16_weights": torch.bfloat16,
    "fp16": torch.float16,
}
"""What matrices are multiplied in where it is not what weights are held in."""
FEW_TARGETS = 0.5
"""Where fewer places than this share are predicted, the head is spared the others."""


def autocast(precision: RunPrecision, device: str) -> torch.autocast:
    """Return the context in which matrices are multiplied in that precision."""
    return torch.autocast(device, dtype=_AUTOCAST.get(precision), enabled=precision in _AUTOCAST)


class SummedLoss(nn.Module):
    """A model with what is to be made small: the loss of a micro-batch, summed over its targets [nats]."""

    def __init__(
        self,
        model: Transformer | Classifier,
        precision: RunPrecision,
        device: torch.device,
        z_weight: float = 0.0,
        compiled: bool = False,
        recompute: Recompute = "none",
        cross_entropy: CrossEntropy = linear_cross_entropy,
    ) -> None:
        """Take the loss as `cross_entropy` does, unless it is compiled."""
        super().__init__()
        self.model = model
        self.device = device
        self.cross_entropy = cross_entropy
        self.z_weight = z_weight
        self.autocast = autocast(precision, device.type)
        self.changes_blocks = compiled or recompute != "none"
        """Whether blocks run in another way than they are written."""
        self._recompute = recompute
        self._ways = [way for way in (recomputing(recompute, model), compiled_forward if compiled else None) if way is not None]
        self._blocks = BlockWays(model, self._ways)
        if compiled:
            self.cross_entropy = partial(linear_cross_entropy, chunk_rows=COMPILED_CHUNK_ROWS, kernel=compiled_logits_loss())

    def compile_passes_apart(self) -> None:
        """Compile blocks without what they compute again: of both together, torch makes no graph where ranks talk within."""
        if self._recompute == "full":
            self._blocks = BlockWays(self.model, self._ways[::-1])

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what is to be made small over the micro-batch, and of it the cross-entropy, which has no gradient."""
        return self.of_hidden(self.hidden(batch.inputs), batch.targets)

    def hidden(self, inputs: Inputs) -> Tensor:
        """Return the vectors that the head gets, the blocks being run as the step runs them."""
        with self.running():
            return self.model.hidden(inputs)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let the model compute as the step has it compute."""
        with self.autocast, self._blocks.active():
            yield
        if self._recompute != "none":
            torch.clear_autocast_cache()  # copies of weights, which are made again as well

    def of_hidden(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` does, from the vectors that the head gets."""
        head, predicted = self.model.head, targets != IGNORE
        if int(predicted.sum()) < FEW_TARGETS * predicted.numel():
            hidden, targets = hidden[predicted], targets[predicted]
        with self.autocast:
            return self.cross_entropy(head.features(hidden), head.weight, targets, head.bias, head.soft_cap, self.z_weight)


class Passes(ABC):
    """Forward and backward over all micro-batches of a step that this process reads."""

    @abstractmethod
    def __call__(self, micro_batches: Sequence[Batch], targets: int, scale: float | None) -> Tensor:
        """Leave the gradient of scale * loss / targets in the parameters, whole; return this process' share of the loss / targets.

        `targets` are those of the step in all processes. Processes that hold the same weights end with the same gradient of them.
        """


class Serial(Passes):
    """One micro-batch after the other, in one process."""

    def __init__(self, loss: SummedLoss, stand_in: StandIn | None = None) -> None:
        """Run through `loss`, whose model is the stand-in's if there is one."""
        self._loss = loss
        self._stand_in = stand_in

    def __call__(self, micro_batches: Sequence[Batch], targets: int, scale: float | None) -> Tensor:
        device = self._loss.device
        share = torch.zeros((), device=device)
        if self._stand_in:
            self._stand_in.refresh()
        for batch in micro_batches:
            wanted, cross_entropy = self._loss(batch.to(device))
            torch.autograd.backward(wanted / targets * (scale or 1.0))
            share = share + cross_entropy / targets
        return share
