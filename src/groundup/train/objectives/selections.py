"""Which tokens a masked language model is to predict."""

from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

from groundup.core.errors import ConfigError
from groundup.train.objectives.config import MaskUnit, ObjectiveConfig
from groundup.train.objectives.documents import Documents
from groundup.train.objectives.ragged import sums
from groundup.train.objectives.spans import fill_budgets, geometric, lay, share_of_each
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import Ints, uniforms

_CHOICE, _LENGTH, _LAYING = range(10, 13)


class Selection(ABC):
    """Chooses the tokens of documents that are to be predicted."""

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary) -> None:
        self.config = config
        self.vocabulary = vocabulary

    @abstractmethod
    def chosen(self, documents: Documents) -> Bool[np.ndarray, " tokens"]:
        """Return which tokens are chosen."""

    @abstractmethod
    def deciding(self, at: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        """Return, for each chosen token (in order), the one whose fate it shares."""


class Tokens(Selection):
    """Each token by itself with probability `rate` (BERT: Devlin et al. 2019, section 3.1)."""

    def chosen(self, documents: Documents) -> Bool[np.ndarray, " tokens"]:
        return uniforms(documents.bits(_CHOICE)) < self.config.hidden_share

    def deciding(self, at: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        return at


class Words(Selection):
    """Each word, with all its tokens, with probability `rate` (whole word masking of the code released with BERT)."""

    def chosen(self, documents: Documents) -> Bool[np.ndarray, " tokens"]:
        starts = find_words(documents, self.vocabulary)
        words = uniforms(documents.bits_at(_CHOICE, starts)) < self.config.hidden_share
        return np.repeat(words, np.diff(starts, append=len(documents.tokens)))

    def deciding(self, at: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        return at


class Spans(Selection):
    """Runs of whole words, of geometric lengths, until `rate` of the words is spent (SpanBERT: Joshi et al. 2020, section 3.1).

    Spans do not touch, and none begins a document. A span has one fate: all masked, all replaced or all kept.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self._lengths = geometric(config.span_stop, config.span_max_words)

    def chosen(self, documents: Documents) -> Bool[np.ndarray, " tokens"]:
        starts = find_words(documents, self.vocabulary)
        is_start = np.zeros(len(documents.tokens), dtype=np.int64)
        is_start[starts] = 1
        words = sums(is_start, documents.lengths)
        budgets = share_of_each(documents, words, self.config.hidden_share, _CHOICE)
        drawn = self._lengths.draw(documents.bits_at(_LENGTH, documents.first_items(budgets)))
        span_lens, spans = fill_budgets(budgets, drawn)
        hidden = lay(documents, words, spans, span_lens, _LAYING)
        return np.repeat(hidden, np.diff(starts, append=len(documents.tokens)))

    def deciding(self, at: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        begins = np.diff(at, prepend=-2) > 1
        return np.repeat(at[begins], np.diff(np.flatnonzero(begins), append=len(at)))


def check_words(config: ObjectiveConfig, vocabulary: Vocabulary) -> None:
    """Raise ConfigError if the unit is made of words and the tokenizer does not say which tokens begin them."""
    if config.unit != "token" and vocabulary.word_starts is None:
        raise ConfigError(
            f"pretrain.objective.unit='{config.unit}' needs to know which tokens begin a word, and this tokenizer does not mark "
            "them; set pretrain.objective.unit='token'"
        )


def find_words(documents: Documents, vocabulary: Vocabulary) -> Ints:
    """Return where words begin; a document begins with one."""
    assert vocabulary.word_starts is not None, "checked when the objective was made"
    begins = vocabulary.word_starts[documents.tokens]
    begins[documents.starts] = True
    return np.flatnonzero(begins)


SELECTIONS: Final[dict[MaskUnit, type[Selection]]] = {"token": Tokens, "word": Words, "span": Spans}
