"""The next token."""

from typing import ClassVar

import numpy as np
import torch

from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.layout import PADDING, ids_or_none, to_tensor
from groundup.train.objectives.objective import Objective


class Causal(Objective):
    """Predict each token from those before it (Radford et al. 2018, section 3.1).

    A document's last token predicts the end-of-document that opens the next.
    """

    overlap: ClassVar[int] = 1

    @property
    def raw_len(self) -> int:
        return self.seq_len + 1

    def __call__(self, rows: Rows) -> Batch:
        padding = rows.document_ids < 0
        ids = np.where(padding, PADDING, rows.document_ids)[:, :-1]
        tokens = np.where(padding, self.special.padding, rows.tokens)[:, :-1]
        targets = np.where(padding, IGNORE, rows.tokens)[:, 1:]
        return Batch(Inputs(to_tensor(tokens), ids_or_none(ids)), to_tensor(targets))

    def restore(self, batch: Batch) -> list[list[int]]:
        return followed(batch)


def followed(batch: Batch) -> list[list[int]]:
    """Return the tokens of each row and its last target, without padding."""
    tokens, ids = batch.inputs.tokens, batch.inputs.document_ids
    real = torch.ones_like(tokens, dtype=torch.bool) if ids is None else ids != PADDING
    last = batch.targets[:, -1]
    return [
        [*row[kept].tolist(), *([] if end == IGNORE else [end])] for row, kept, end in zip(tokens, real, last.tolist(), strict=True)
    ]
