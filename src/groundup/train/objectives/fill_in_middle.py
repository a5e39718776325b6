"""The next token, with the middle of some documents moved to their end."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from groundup.core.errors import ConfigError
from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import by_document, ids_or_none, rows_of, to_tensor
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.ragged import group_starts, padded, places, running_sums, sums
from groundup.train.objectives.vocabulary import FillTokens, Vocabulary
from groundup.train.randomness import Ints, uniforms

MARKS = 3
"""Tokens that a rearranged document is longer by."""
TOKENS_PER_REARRANGED = 128
"""A row has room for the marks of one rearranged document in so many tokens."""
_CHOICE, _ORDER, _CUT, _OTHER_CUT = range(4)


class FillInMiddle(Objective):
    """Rearrange `rate` of the documents, then predict each token from those before it (Bavarian et al. 2022, section 3).

    Two cuts, drawn evenly, part a document in prefix, middle and suffix. PSM: <prefix> prefix <suffix> suffix <middle> middle;
    SPM, in `spm_share` of the cases: <prefix> <suffix> suffix <middle> prefix middle. The middle's last token predicts eos.
    Documents are rearranged as they are packed (the context level of the paper), cuts fall between tokens. Rows of more documents
    than there is room for leave the last as they are.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        self._marks: FillTokens = self.special.need_fill(config.name)
        if self.raw_len < 2:
            raise ConfigError(f"seq_len={seq_len} is too short for pretrain.objective.name='{config.name}'; raise it to at least 5")

    @property
    def raw_len(self) -> int:
        return self.seq_len - MARKS * max(self.seq_len // TOKENS_PER_REARRANGED, 1)

    def __call__(self, rows: Rows) -> Batch:
        documents = Documents.of(rows, self.special.eos_id)
        cuts = self._cut(documents)
        lens = documents.lengths + MARKS * cuts.moved
        tokens = np.empty(int(lens.sum()), dtype=np.int64)
        starts = group_starts(lens)
        tokens[np.repeat(starts, documents.lengths) + cuts.destinations(documents)] = documents.tokens
        marks = (starts + documents.opened)[:, None] + cuts.mark_places()
        tokens[marks[cuts.moved]] = (self._marks.prefix, self._marks.suffix, self._marks.middle)

        targets = np.append(tokens[1:], IGNORE)[: len(tokens)]
        targets[starts + lens - 1] = np.where(documents.last & ~cuts.moved, IGNORE, self.special.eos_id)
        dense, ids = rows_of(documents, tokens, lens, self.seq_len, self.special.padding)
        dense_targets = padded(targets, sums(lens, documents.per_row), self.seq_len, IGNORE)
        return Batch(Inputs(to_tensor(dense), ids_or_none(ids)), to_tensor(dense_targets))

    def restore(self, batch: Batch) -> list[list[int]]:
        rows = by_document(batch.inputs.tokens, batch.inputs.document_ids)
        return [[token for document in row.values() for token in self._undone(document)] for row in rows]

    def _cut(self, documents: Documents) -> "_Cuts":
        moved = uniforms(documents.bits_at(_CHOICE, documents.starts)) < self.config.hidden_share
        room = self.seq_len - documents.row_lens
        added = MARKS * moved.astype(np.int64)
        moved &= running_sums(added, documents.per_row) <= room[documents.rows]
        length = documents.lengths - documents.opened
        one, other = (
            (uniforms(documents.bits_at(stream, documents.starts)) * (length + 1)).astype(np.int64) for stream in (_CUT, _OTHER_CUT)
        )
        suffix_first = uniforms(documents.bits_at(_ORDER, documents.starts)) < self.config.spm_share
        return _Cuts(moved, suffix_first, length, np.minimum(one, other), np.maximum(one, other))

    def _undone(self, document: list[int]) -> list[int]:
        marks = self._marks
        if marks.prefix not in document:
            return document
        at_prefix, at_suffix, at_middle = (document.index(mark) for mark in (marks.prefix, marks.suffix, marks.middle))
        before, prefix = document[:at_prefix], document[at_prefix + 1 : at_suffix]
        return [*before, *prefix, *document[at_middle + 1 :], *document[at_suffix + 1 : at_middle]]


@dataclass(frozen=True)
class _Cuts:
    """Where each document is cut, in places of its tokens behind the opening eos."""

    moved: Bool[np.ndarray, " documents"]
    suffix_first: Bool[np.ndarray, " documents"]
    length: Int64[np.ndarray, " documents"]
    first: Int64[np.ndarray, " documents"]
    second: Int64[np.ndarray, " documents"]

    def destinations(self, documents: Documents) -> Ints:
        """Return the place in its document that each token goes to."""
        lengths = documents.lengths

        def each(values: Ints) -> Ints:
            return np.repeat(values, lengths)

        opened = documents.opened.astype(np.int64)
        suffix_len = self.length - self.second
        place = places(lengths) - each(opened)
        in_prefix, in_suffix = place < each(self.first), place >= each(self.second)
        shift_of_prefix = np.where(self.suffix_first, suffix_len + 3, 1)
        shift_of_middle = suffix_len + 3
        shift_of_suffix = np.where(self.suffix_first, 2 - self.second, 2 + self.first - self.second)
        shift: Ints = np.where(in_prefix, each(shift_of_prefix), np.where(in_suffix, each(shift_of_suffix), each(shift_of_middle)))
        shift *= each(self.moved.astype(np.int64)) * (place >= 0)
        return place + each(opened) + shift

    def mark_places(self) -> Int64[np.ndarray, "documents 3"]:
        """Return where <prefix>, <suffix> and <middle> stand."""
        suffix_at = np.where(self.suffix_first, 1, 1 + self.first)
        middle_at = suffix_at + 1 + self.length - self.second
        return np.stack((np.zeros_like(suffix_at), suffix_at, middle_at), axis=1)
