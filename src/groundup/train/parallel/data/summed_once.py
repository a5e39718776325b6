"""A copy of what a rank holds of a model on every data-parallel rank (zero=0 with pp, tp > 1 or precision=bf16_weights)."""

import contextlib
from typing import Any

import torch
from torch import nn

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.parallel.collectives import sum_gradients, sum_shares
from groundup.train.parallel.data.base import DataParallel
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn, WorkingCopy


class SummedOnce(DataParallel):
    """Gradients are summed after the last pass of a step, weight by weight, in at least 32 bits.

    Torch's DDP knows no passes of which many are under way, nor weights of which a rank has a part or whose gradients are added to
    those of their masters. Of weights that tensor-parallel ranks hold whole, each has a share of the
    gradient: those are summed, too.
    """

    def arrange(self, model: Transformer) -> None:
        """Leave the model as it is."""
        self._model = model

    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        gradients = torch.bfloat16 if self.mesh.layout.gradients == "bf16" else None
        return WorkingCopy(model, gradients) if self.precision == "bf16_weights" else None

    def wrap(self, loss: SummedLoss) -> nn.Module:
        return loss

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    @torch.no_grad()
    def finish(self) -> None:
        sum_shares(self._model)
        for group in self.mesh.gradients.get_all_groups():
            sum_gradients(self._model, group)
