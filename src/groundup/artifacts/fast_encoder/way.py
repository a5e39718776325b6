"""What a way of encoding is."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]


class UnsuitableError(Exception):
    """A way would not give the ids of a tokenizer; the message says why. Never meets a user."""


class Way(ABC):
    """Give the ids of a tokenizer, the same as its own library."""

    name: ClassVar[str]

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Return the ids of the text, none of them that of a special token."""
