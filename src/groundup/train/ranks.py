"""The processes that train one model together, as a step and the loop see them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils import get_total_norm

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.apart import Apart
from groundup.train.batch import Batch
from groundup.train.config import RunPrecision
from groundup.train.passes import Passes, Serial, SummedLoss
from groundup.train.storage import OneProcess, Storage
from groundup.train.working_copy import StandIn, WorkingCopy


class Ranks(ABC):
    """This process among those of a run; all of them call the same methods in the same order."""

    rank: int
    size: int
    place: str
    """Where this process stands in which layout: random states go on where both are the same."""
    apart: Apart | None = None
    """Where islands of processes train apart: this one's."""

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that tells and writes what all know."""
        return self.rank == 0

    @abstractmethod
    def count(self, number: int) -> int:
        """Return the sum over processes that read different text and take a gradient together."""

    @abstractmethod
    def loss(self, share: Tensor) -> Tensor:
        """Return the loss, given this process' share of it; where islands train apart, the mean of theirs."""

    @abstractmethod
    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return the norm of the gradient of all weights together, those of other processes too, each counted once."""

    @abstractmethod
    def after_update(self, step: int, is_last: bool) -> None:
        """Bring together what trains apart, where that is due after so many steps, and after the last."""

    @abstractmethod
    def any(self, is_so: bool) -> bool:
        """Return whether it is so in any process."""

    @abstractmethod
    def most(self, number: float) -> float:
        """Return the largest of all processes' numbers."""

    @abstractmethod
    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum over all processes."""

    @abstractmethod
    def agreed(self, value: Any) -> Any:
        """Return the value of the first process."""

    @abstractmethod
    def each(self, value: Any) -> list[Any]:
        """Return the values of all processes, in their order."""

    @abstractmethod
    def own(self, weight: Tensor) -> tuple[Tensor, int]:
        """Return the part of a weight that lies in this process, and how many processes hold the same part."""

    @abstractmethod
    def nats(self, batches: Sequence[Batch], of: Callable[[Batch], float]) -> float:
        """Return the summed cross-entropy of batches that all processes read alike; `of`: that of one, with whole weights."""

    @abstractmethod
    def stand_in(self, model: Transformer | Classifier, precision: RunPrecision) -> StandIn | None:
        """Return what passes run through where it is not the model itself."""

    @abstractmethod
    def passes(self, loss: SummedLoss, stand_in: StandIn | None) -> Passes:
        """Return the passes that take the gradient of the loss over all processes."""

    @abstractmethod
    def storage(self) -> Storage:
        """Return how checkpoints are written and read; all processes call this together."""


class Alone(Ranks):
    """A run of one process."""

    rank = 0
    size = 1
    place = ""

    def count(self, number: int) -> int:
        return number

    def loss(self, share: Tensor) -> Tensor:
        return share

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        return get_total_norm(gradients)

    def after_update(self, step: int, is_last: bool) -> None:
        """Do nothing: nothing trains apart."""

    def any(self, is_so: bool) -> bool:
        return is_so

    def most(self, number: float) -> float:
        return number

    def total(self, numbers: Tensor) -> Tensor:
        return numbers

    def agreed(self, value: Any) -> Any:
        return value

    def each(self, value: Any) -> list[Any]:
        return [value]

    def own(self, weight: Tensor) -> tuple[Tensor, int]:
        return weight, 1

    def nats(self, batches: Sequence[Batch], of: Callable[[Batch], float]) -> float:
        return sum(map(of, batches))

    def stand_in(self, model: Transformer | Classifier, precision: RunPrecision) -> StandIn | None:
        return WorkingCopy(model) if precision == "bf16_weights" else None

    def passes(self, loss: SummedLoss, stand_in: StandIn | None) -> Passes:
        return Serial(loss, stand_in)

    def storage(self) -> Storage:
        return OneProcess()


ALONE = Alone()
