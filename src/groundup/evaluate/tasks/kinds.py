"""What each kind of task makes of examples and of a model."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, final

import torch

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError, DataError
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.examples import Example
from groundup.evaluate.tasks.rows import Row, Speller, pad_right
from groundup.nn.classifier import Classifier
from groundup.nn.config import ModelConfig, PoolingName, ShapeName
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE

POOLING_OF: Final[dict[ShapeName, PoolingName]] = {"encoder": "mean", "decoder": "last", "prefix_decoder": "last"}
"""What classifies a sentence where the task leaves it open."""


class Kind(ABC):
    """A task, for models of one config with one tokenizer."""

    speller: Speller

    def __init__(self, task: TaskConfig, config: ModelConfig, tokenizer: TextTokenizer, train: Sequence[Example]) -> None:
        """Prepare for a model; raise ConfigError or DataError if its shape or the training examples do not fit the task."""
        self.task = task
        self.config = config
        self.tokenizer = tokenizer

    @abstractmethod
    def model(self, trunk: Transformer, generator: torch.Generator) -> Transformer | Classifier:
        """Return what is fine-tuned: the trunk, with a head of weights drawn from the generator where the task needs one."""

    @abstractmethod
    def rows(self, examples: Sequence[Example]) -> Iterator[Row]:
        """Yield the examples as tokens."""

    @abstractmethod
    def batch(self, rows: Sequence[Row]) -> Batch:
        """Return the rows as what the model reads and is to predict."""

    @abstractmethod
    def right(self, model: Transformer | Classifier, rows: Sequence[Row]) -> int:
        """Return how many answers the model gets right of those that the rows want."""

    @abstractmethod
    def answers(self, row: Row) -> int:
        """Return how many answers the row wants."""

    def facts(self) -> dict[str, int]:
        """Return what the result says of the task."""
        return {}


class Classification(Kind):
    """Labels of a text or of its words; a label that training did not show counts as wrong."""

    pooling: PoolingName

    def __init__(self, task: TaskConfig, config: ModelConfig, tokenizer: TextTokenizer, train: Sequence[Example]) -> None:
        super().__init__(task, config, tokenizer, train)
        if config.shape not in POOLING_OF:
            raise ConfigError(
                f"kind='{task.kind}' of task '{task.name}' is for {', '.join(POOLING_OF)}; a model of shape='{config.shape}' "
                "answers with text: take kind='text_to_text'"
            )
        labels = sorted({label for example in train for label in example.wanted})
        if len(labels) < 2:
            raise DataError(f"{task.train}: every example has label '{labels[0]}'; there must be two to tell apart")
        self._classes = {label: number for number, label in enumerate(labels)}
        self.speller = Speller(tokenizer, config.max_seq_len, ends=config.shape == "encoder")

    def class_of(self, label: str) -> int:
        """Return the label's number; that of none is one more than the model knows."""
        return self._classes.get(label, len(self._classes))

    def model(self, trunk: Transformer, generator: torch.Generator) -> Classifier:
        model = Classifier(trunk, len(self._classes), self.pooling, self.task.tuning.dropout)
        model.init_head(generator)
        return model

    def inputs(self, rows: Sequence[Row]) -> Inputs:
        """Return what the model reads; to a prefix decoder all of a text is prefix."""
        tokens, ids = pad_right([row.read for row in rows], self.tokenizer.pad_id)
        prefix = torch.ones_like(tokens, dtype=torch.bool) if self.config.shape == "prefix_decoder" else None
        return Inputs(tokens, ids, prefix)

    @torch.inference_mode()
    def right(self, model: Transformer | Classifier, rows: Sequence[Row]) -> int:
        batch = self.batch(rows).to(model.head.weight.device)
        return int((model(batch.inputs).argmax(-1) == batch.targets).sum())

    def answers(self, row: Row) -> int:
        return len(row.wanted)

    def facts(self) -> dict[str, int]:
        return {"labels": len(self._classes)}


@final
class SentenceClassification(Classification):
    """One label for a text."""

    def __init__(self, task: TaskConfig, config: ModelConfig, tokenizer: TextTokenizer, train: Sequence[Example]) -> None:
        super().__init__(task, config, tokenizer, train)
        self.pooling = task.pooling or POOLING_OF[config.shape]

    def rows(self, examples: Sequence[Example]) -> Iterator[Row]:
        for example in examples:
            yield Row(self.speller.whole(example.read[0]), (self.class_of(example.wanted[0]),))

    def batch(self, rows: Sequence[Row]) -> Batch:
        return Batch(self.inputs(rows), torch.tensor([row.wanted for row in rows]))


@final
class TokenClassification(Classification):
    """One label for each word, told from the vector of its first token (Devlin et al. 2019, section 5.3)."""

    pooling = "each"

    def rows(self, examples: Sequence[Example]) -> Iterator[Row]:
        for example in examples:
            yield from self.speller.words(example.read, [self.class_of(label) for label in example.wanted])

    def batch(self, rows: Sequence[Row]) -> Batch:
        inputs = self.inputs(rows)
        targets = torch.full_like(inputs.tokens, IGNORE)
        for number, row in enumerate(rows):
            targets[number, list(row.places)] = torch.tensor(row.wanted)
        return Batch(inputs, targets)


def most_frequent(train: Sequence[Example], test: Sequence[Example]) -> float:
    """Return the share of test's answers that are the most frequent one of train: the accuracy of always saying that."""
    counts = Counter(answer for example in train for answer in example.wanted)
    favourite = max(counts, key=lambda answer: (counts[answer], answer))
    wanted = [answer for example in test for answer in example.wanted]
    return wanted.count(favourite) / len(wanted)
