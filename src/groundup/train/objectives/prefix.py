"""The next token after a prefix that sees itself whole."""

from typing import ClassVar

import numpy as np

from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.causal import followed
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import rows_of, to_tensor
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.ragged import padded, places
from groundup.train.randomness import uniforms


class Prefix(Objective):
    """Predict what follows a prefix of each document, its length drawn evenly from 1 to the document's less 1.

    The prefix language model of Raffel et al. 2020, section 3.2.1 (Liu et al. 2018). The prefix's last token predicts the first
    that is not in it; tokens of the prefix predict nothing else.
    """

    overlap: ClassVar[int] = 1

    @property
    def raw_len(self) -> int:
        return self.seq_len + 1

    def __call__(self, rows: Rows) -> Batch:
        documents = Documents.of(rows, self.special.eos_id)
        lengths = documents.lengths
        drawn = (uniforms(documents.bits_at(0, documents.starts)) * (lengths - 1)).astype(np.int64)
        place = places(lengths)
        inside = place < np.repeat(1 + drawn, lengths)
        tokens, ids = rows_of(documents, documents.tokens, lengths, self.raw_len, self.special.padding)
        prefix = padded(inside.astype(np.int64), documents.row_lens, self.raw_len, 0).astype(np.bool_)
        predicted = padded(
            np.where(inside & (place > 0), IGNORE, documents.tokens), documents.row_lens, self.raw_len, IGNORE
        )  # the first token of a document is what the one before predicts as its end
        inputs = Inputs(to_tensor(tokens[:, :-1]), to_tensor(ids[:, :-1]), prefix=to_tensor(prefix[:, :-1]))
        return Batch(inputs, to_tensor(predicted[:, 1:]))

    def restore(self, batch: Batch) -> list[list[int]]:
        return followed(batch)
