"""Hidden tokens, predicted in their place."""

import numpy as np
import torch
from jaxtyping import Int64

from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import by_document, ids_or_none, rows_of, to_tensor
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.ragged import padded
from groundup.train.objectives.selections import SELECTIONS, check_words
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import uniforms

_FATE, _REPLACEMENT = range(2)


class Masked(Objective):
    """Predict chosen tokens, of which 80 % are hidden by the mask token, 10 % become any token and 10 % stay (BERT, section 3.1).

    The choice depends on the row's seed, so that it differs each time a text is seen (RoBERTa: Liu et al. 2019, section 4.1).
    An end-of-document is never chosen.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        check_words(config, vocabulary)
        self._mask = self.special.need_mask(config.name)
        self._selection = SELECTIONS[config.unit](config, vocabulary)

    @property
    def raw_len(self) -> int:
        return self.seq_len

    def __call__(self, rows: Rows) -> Batch:
        documents = Documents.of(rows, self.special.eos_id)
        chosen = self._selection.chosen(documents) & (documents.tokens != self.special.eos_id)
        at = np.flatnonzero(chosen)
        read = documents.tokens.copy()
        read[at] = self._read_for(documents, at)
        targets = np.full_like(read, IGNORE)
        targets[at] = documents.tokens[at]
        tokens, ids = rows_of(documents, read, documents.lengths, self.seq_len, self.special.padding)
        predicted = padded(targets, documents.row_lens, self.seq_len, IGNORE)
        return Batch(Inputs(to_tensor(tokens), ids_or_none(ids)), to_tensor(predicted))

    def restore(self, batch: Batch) -> list[list[int]]:
        whole = torch.where(batch.targets != IGNORE, batch.targets, batch.inputs.tokens)
        rows = by_document(whole, batch.inputs.document_ids)
        return [[token for document in row.values() for token in document] for row in rows]

    def _read_for(self, documents: Documents, at: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        """Return what the model reads in the place of the chosen tokens, which are at `at`."""
        fate = uniforms(documents.bits_at(_FATE, self._selection.deciding(at)))
        kept, replaced = self.config.keep_share, self.config.keep_share + self.config.random_share
        ordinary = self.vocabulary.ordinary
        drawn = ordinary[(uniforms(documents.bits_at(_REPLACEMENT, at)) * len(ordinary)).astype(np.int64)]
        return np.where(fate < kept, documents.tokens[at], np.where(fate < replaced, drawn, self._mask))
