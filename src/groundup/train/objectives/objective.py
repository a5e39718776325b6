"""What every training objective does."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from groundup.core.errors import ConfigError
from groundup.train.batch import Batch
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import Bools, Ints


class Objective(ABC):
    """Makes batches of rows of tokens.

    A row of the batch depends on its row of tokens and its seed alone, and what becomes of a document depends on the lengths of the
    documents of its row, never on the tokens of the others. Documents keep to themselves: each is numbered within its row by how
    often eos has been met (0: it began before the row), source and target by the same number, padding by layout.PADDING.
    """

    overlap: ClassVar[int] = 0
    """Tokens at the end of a window that the next one begins with: those that are only predicted."""

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        """Prepare for models that read at most `seq_len` tokens at a time; raise ConfigError if a token is missing."""
        self.config = config
        self.vocabulary = vocabulary
        self.special = vocabulary.special
        self.seq_len = seq_len

    @property
    @abstractmethod
    def raw_len(self) -> int:
        """Tokens of the stream that a row is made from."""

    @property
    def target_len(self) -> int:
        """Columns of the targets, and of the tokens that they are predicted at."""
        return self.seq_len

    @property
    def stride(self) -> int:
        """Tokens of the stream from the start of a window to that of the next."""
        return self.raw_len - self.overlap

    @abstractmethod
    def __call__(self, rows: Rows) -> Batch:
        """Return what the model reads, and what it is to predict."""

    @abstractmethod
    def restore(self, batch: Batch) -> list[list[int]]:
        """Return the tokens that each row of the batch was made from, without padding."""


def longest_fitting(objective: str, seq_len: int, fits: Callable[[Ints], Bools]) -> int:
    """Return the length below the first one, from 2 up, that does not fit; raise ConfigError if 2 tokens do not."""
    lengths = np.arange(2, 2 * seq_len + 4, dtype=np.int64)
    longest = int(np.argmin(np.append(fits(lengths), False))) + 1
    if longest < 2:
        raise ConfigError(f"seq_len={seq_len} is too short for pretrain.objective.name='{objective}'; raise it")
    return longest
