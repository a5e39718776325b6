"""The island of processes that this one is of, where islands train apart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor


class Apart(ABC):
    """What islands that train apart have in common, and which of them this is, as the state of a run sees it."""

    island: int
    islands: int

    @property
    def prefix(self) -> str:
        """What the names of this island's own tensors begin with."""
        return f"island-{self.island}."

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Return the weights that all islands went on from last, themselves."""

    @abstractmethod
    def momentum(self) -> dict[str, Tensor]:
        """Return the momentum of these weights, itself."""

    @abstractmethod
    def load(self, weights: Mapping[str, Tensor], momentum: Mapping[str, Tensor]) -> None:
        """Put back copies of what `weights` and `momentum` returned."""
