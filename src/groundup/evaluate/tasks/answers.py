"""Text to text: the answer is written, token by token."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Final, final

import torch

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError, DataError
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.examples import Example
from groundup.evaluate.tasks.kinds import Kind
from groundup.evaluate.tasks.rows import Row, Speller, pad_right
from groundup.nn.classifier import Classifier
from groundup.nn.config import ModelConfig, ShapeName
from groundup.nn.generate import generate_batch
from groundup.nn.sampling import Greedy
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE


class Layout(ABC):
    """How source and answer lie in what a model of one shape reads."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self.fill = tokenizer.pad_id
        self.start_id = tokenizer.start_id

    @abstractmethod
    def room(self, max_len: int, answer_len: int) -> int:
        """Return the tokens that a source may have, what opens and ends it included."""

    @abstractmethod
    def batch(self, rows: Sequence[Row]) -> Batch: ...


@final
class Apart(Layout):
    """The encoder reads the source, the decoder the answer, one step behind."""

    def room(self, max_len: int, answer_len: int) -> int:
        return max_len

    def batch(self, rows: Sequence[Row]) -> Batch:
        source, source_ids = pad_right([row.read for row in rows], self.fill)
        tokens, ids = pad_right([(self.start_id, *row.wanted[:-1]) for row in rows], self.fill)
        targets, _ = pad_right([row.wanted for row in rows], IGNORE)
        if source_ids is not None or ids is not None:  # documents are paired by their ids: both sides need them
            source_ids = torch.ones_like(source) if source_ids is None else source_ids
            ids = torch.ones_like(tokens) if ids is None else ids
        return Batch(Inputs(tokens, ids, source=Inputs(source, source_ids)), targets)


class Behind(Layout):
    """The answer follows the source; only the answer is predicted, its first token by the source's last."""

    def room(self, max_len: int, answer_len: int) -> int:
        return max_len - answer_len

    def batch(self, rows: Sequence[Row]) -> Batch:
        tokens, ids = pad_right([(*row.read, *row.wanted[:-1]) for row in rows], self.fill)
        targets, _ = pad_right([(*[IGNORE] * (len(row.read) - 1), *row.wanted) for row in rows], IGNORE)
        return Batch(Inputs(tokens, ids, self.prefix(rows, tokens.shape[1])), targets)

    def prefix(self, rows: Sequence[Row], width: int) -> torch.Tensor | None:
        """Return which tokens all of their row see."""
        return None


@final
class BehindPrefix(Behind):
    """The same, with a source that sees itself whole."""

    def prefix(self, rows: Sequence[Row], width: int) -> torch.Tensor | None:
        return torch.arange(width) < torch.tensor([len(row.read) for row in rows])[:, None]


LAYOUTS: Final[dict[ShapeName, type[Layout]]] = {"encoder_decoder": Apart, "decoder": Behind, "prefix_decoder": BehindPrefix}
"""Shape -> layout; an encoder writes nothing."""


@final
class TextToText(Kind):
    """An answer that counts if it is the wanted one, character for character (Raffel et al. 2020, section 2.4)."""

    def __init__(self, task: TaskConfig, config: ModelConfig, tokenizer: TextTokenizer, train: Sequence[Example]) -> None:
        super().__init__(task, config, tokenizer, train)
        if config.shape not in LAYOUTS:
            raise ConfigError(
                f"kind='{task.kind}' of task '{task.name}' needs a model that writes; one of shape='{config.shape}' labels: take "
                "kind='sentence_classification' or 'token_classification'"
            )
        self._layout = LAYOUTS[config.shape](tokenizer)
        longest = max(train, key=lambda example: len(self._answer(example)))
        self._answer_len = len(self._answer(longest))
        room = self._layout.room(config.max_seq_len, self._answer_len)
        if min(room, config.max_seq_len - self._answer_len) < 1:
            raise DataError(
                f"{longest.place}: an answer of {self._answer_len:,} tokens leaves no room in a model of {config.max_seq_len:,}; "
                "shorten it"
            )
        self.speller = Speller(tokenizer, room, ends=config.shape == "encoder_decoder")

    def model(self, trunk: Transformer, generator: torch.Generator) -> Transformer:
        return trunk

    def rows(self, examples: Sequence[Example]) -> Iterator[Row]:
        for example in examples:
            yield Row(self.speller.whole(example.read[0]), self._answer(example))

    def batch(self, rows: Sequence[Row]) -> Batch:
        return self._layout.batch(rows)

    def right(self, model: Transformer | Classifier, rows: Sequence[Row]) -> int:
        assert isinstance(model, Transformer), "text is written by a transformer as it is"
        start_ids = (self.tokenizer.start_id,) if self.config.shape == "encoder_decoder" else ()
        prompts, samplers = [row.read for row in rows], [Greedy() for _ in rows]
        eos_id = self.tokenizer.eos_id
        written = generate_batch(model, prompts, self._answer_len, samplers, eos_id, start_ids=start_ids)
        return sum(
            self.tokenizer.decode(tokens) == self.tokenizer.decode(row.wanted[:-1])
            for tokens, row in zip(written, rows, strict=True)
        )

    def answers(self, row: Row) -> int:
        return 1

    def _answer(self, example: Example) -> tuple[int, ...]:
        return (*self.tokenizer.encode(example.wanted[0]), self.tokenizer.eos_id)
