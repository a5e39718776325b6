"""Rows of lengths that can be shared out among ranks."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from groundup.nn.transformer import Inputs
from groundup.train.objectives.layout import PADDING


def filled(inputs: Inputs, multiple: int) -> Inputs:
    """Return the inputs with another document after the last token of each row so that lengths are multiples."""
    source = None if inputs.source is None else filled(inputs.source, multiple)
    missing = -inputs.tokens.shape[1] % multiple
    ids = inputs.document_ids
    if ids is None and (missing or (source is not None and source.document_ids is not None)):
        ids = torch.zeros_like(inputs.tokens)
    if source is not None and ids is not None and source.document_ids is None:
        source = replace(source, document_ids=torch.zeros_like(source.tokens))
    return Inputs(
        F.pad(inputs.tokens, (0, missing)),
        None if ids is None else F.pad(ids, (0, missing), value=PADDING - 1),
        None if inputs.prefix is None else F.pad(inputs.prefix, (0, missing), value=False),
        None if inputs.segments is None else F.pad(inputs.segments, (0, missing)),
        source,
    )
