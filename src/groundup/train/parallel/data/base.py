"""What every way of data parallelism does."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from torch import nn

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.config import RunPrecision
from groundup.train.parallel.mesh import Mesh
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn


class DataParallel(ABC):
    """One way for weights, gradients and optimizer states to lie on the ranks that read different text."""

    def __init__(self, mesh: Mesh, precision: RunPrecision) -> None:
        self.mesh = mesh
        self.precision = precision

    @abstractmethod
    def arrange(self, model: Transformer) -> None:
        """Let the model hold what this rank updates; called once, before its optimizer is made."""

    @abstractmethod
    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        """Return what passes run through, where it is not the arranged model."""

    @abstractmethod
    def wrap(self, loss: SummedLoss) -> nn.Module:
        """Return what passes call in place of the loss."""

    @abstractmethod
    def passing(self, is_last: bool) -> AbstractContextManager[Any]:
        """Return the context of the passes of one micro-batch; gradients need not be brought together before the last."""

    @abstractmethod
    def finish(self) -> None:
        """Leave the whole gradient in each parameter; called after the last micro-batch."""
