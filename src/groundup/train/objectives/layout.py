"""How the inputs and targets of documents are laid into the rows of a batch, and found there again."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.documents import Documents
from groundup.train.objectives.ragged import group_starts, padded, places, running_sums, sums
from groundup.train.objectives.sentinels import Pairs
from groundup.train.objectives.vocabulary import SpecialTokens

PADDING = -1
"""Document id of padding."""


def to_tensor(array: Int64[np.ndarray, "rows width"] | Bool[np.ndarray, "rows width"]) -> Tensor:
    """Return the array as a tensor, on its own memory where that is contiguous."""
    return torch.from_numpy(np.ascontiguousarray(array))


def ids_or_none(ids: Int64[np.ndarray, "rows width"]) -> Tensor | None:
    """Return the ids, or None if each row is one document: attention is faster without a mask."""
    return None if (ids == ids[:, :1]).all() and (ids >= 0).all() else to_tensor(ids)


def rows_of(
    documents: Documents, values: Int64[np.ndarray, " items"], lens: Int64[np.ndarray, " documents"], width: int, fill: int
) -> tuple[Int64[np.ndarray, "rows width"], Int64[np.ndarray, "rows width"]]:
    """Return rows of values, of which each document has `lens`, and of the numbers of their documents."""
    row_lens = sums(lens, documents.per_row)
    numbers = padded(np.repeat(documents.numbers, lens), row_lens, width, PADDING)
    return padded(values, row_lens, width, fill), numbers


def first_that_fit(documents: Documents, lens: Int64[np.ndarray, " documents"], room: int) -> Bool[np.ndarray, " documents"]:
    """Return which documents of each row, from the first on, fit into `room` together."""
    return running_sums(lens, documents.per_row) <= room


def paired(documents: Documents, pairs: Pairs, widths: tuple[int, int], special: SpecialTokens) -> Batch:
    """Return the batch of an encoder-decoder: rows of sources, and rows of targets with the decoder one step behind.

    The decoder reads eos in the first place of each document. Each row of sources needs a free place: the decoder's padding looks
    at the encoder's, and would look at nothing.
    """
    source, source_ids = rows_of(documents, pairs.source, pairs.source_lens, widths[0], special.padding)
    targets, target_ids = rows_of(documents, pairs.target, pairs.target_lens, widths[1], IGNORE)
    read = np.full_like(targets, special.eos_id)
    read[:, 1:] = np.where(target_ids[:, 1:] == target_ids[:, :-1], targets[:, :-1], special.eos_id)
    read[target_ids == PADDING] = special.padding
    encoder = Inputs(to_tensor(source), to_tensor(source_ids))
    return Batch(Inputs(to_tensor(read), to_tensor(target_ids), source=encoder), to_tensor(targets))


def joined_lens(source_lens: Int64[np.ndarray, "*shape"], target_lens: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Return the tokens read of a source with its target behind it: the target's last is predicted, not read."""
    return source_lens + np.maximum(target_lens - 1, 0)  # type: ignore[no-any-return]


def joined(documents: Documents, pairs: Pairs, width: int, special: SpecialTokens) -> Batch:
    """Return the batch of a prefix decoder: each source is a prefix, whose last token predicts the first of its target."""
    lens = joined_lens(pairs.source_lens, pairs.target_lens)
    starts = group_starts(lens)
    tokens = np.empty(int(lens.sum()), dtype=np.int64)
    targets = np.full(len(tokens), IGNORE, dtype=np.int64)
    prefix = np.zeros(len(tokens), dtype=np.bool_)
    at_source = np.repeat(starts, pairs.source_lens) + places(pairs.source_lens)
    at_target = np.repeat(starts + pairs.source_lens, pairs.target_lens) + places(pairs.target_lens)
    prefix[at_source] = True
    tokens[at_source] = pairs.source
    tokens[~prefix] = np.delete(pairs.target, (np.cumsum(pairs.target_lens) - 1)[pairs.target_lens > 0])
    targets[at_target - 1] = pairs.target
    rows, ids = rows_of(documents, tokens, lens, width, special.padding)
    row_lens = sums(lens, documents.per_row)
    marks = padded(prefix.astype(np.int64), row_lens, width, 0).astype(np.bool_)
    inputs = Inputs(to_tensor(rows), to_tensor(ids), prefix=to_tensor(marks))
    return Batch(inputs, to_tensor(padded(targets, row_lens, width, IGNORE)))


def by_document(values: Tensor, ids: Tensor | None) -> list[dict[int, list[int]]]:
    """Return the values of each document of each row that are not IGNORE, by its number; padding is left out."""
    numbers = ids if ids is not None else torch.zeros_like(values)
    found = []
    for row, row_numbers in zip(values.tolist(), numbers.tolist(), strict=True):
        documents: dict[int, list[int]] = {number: [] for number in row_numbers if number != PADDING}
        for value, number in zip(row, row_numbers, strict=True):
            if number != PADDING and value != IGNORE:
                documents[number].append(value)
        found.append(documents)
    return found
