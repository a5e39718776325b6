"""Several ways to hide spans, each announced by a mode token."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64

from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import by_document, first_that_fit, joined, joined_lens, paired
from groundup.train.objectives.objective import Objective, longest_fitting
from groundup.train.objectives.ragged import places
from groundup.train.objectives.sentinels import Pairs, hide, pair_lens, reveal
from groundup.train.objectives.span_corruption import draw_spans
from groundup.train.objectives.spans import count_noise, most_spans, share_out
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import Bools, Ints

_WHICH, _SHARES, _SPLIT, _LAYING = range(4)
Fit = Callable[[Documents, Ints, Ints], Bools]
"""Which documents have room, by the lengths of sources and targets."""


class Denoisers:
    """Draws one denoiser a row, and hides spans as it says (UL2: Tay et al. 2022, section 3.1).

    R and X hide spans of T5's kind; S hides the end of each document, which is predicted from its start. Each source begins with
    the mode's token, in the place of the opening eos if there is one.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary) -> None:
        self._name = config.name
        self._special = vocabulary.special
        mixed = config.denoisers
        self._rates = np.array([denoiser.rate for denoiser in mixed])
        self._means = np.array([denoiser.mean_span_len or np.inf for denoiser in mixed])
        self._sequential = np.array([denoiser.mode == "S" for denoiser in mixed])
        self._modes = np.array([self._special.need_mode(config.name, denoiser.mode) for denoiser in mixed], dtype=np.int64)
        shares = np.cumsum([denoiser.share for denoiser in mixed])
        self._edges = shares[:-1] / shares[-1]
        self._sentinels = np.empty(0, dtype=np.int64)

    def counts(self, length: Int64[np.ndarray, " lengths"]) -> tuple[Int64[np.ndarray, "lengths n"], ...]:
        """Return tokens (with a mode token before them), hidden ones, and most spans of rows of so many tokens, by denoiser."""
        whole = np.repeat(length[:, None] + 1, len(self._rates), axis=1)
        tokens, spans = count_noise(whole, self._rates, self._means)
        return whole, tokens, most_spans(whole, spans)

    def check_sentinels(self, raw_len: int) -> None:
        """Raise ConfigError if a document of so many tokens can have more spans than there are sentinels for."""
        _, spans = count_noise(np.full(len(self._rates), raw_len + 1), self._rates, self._means)
        way_out = "raise mean_span_len of pretrain.objective.denoisers"
        self._sentinels = self._special.need_sentinels(self._name, int(spans.max()) + 1, way_out)

    def __call__(self, documents: Documents, fit: Fit) -> tuple[Documents, Pairs]:
        """Return the documents with their mode tokens, those left out that do not fit, and their sources and targets."""
        which = np.searchsorted(self._edges, documents.row_uniforms(_WHICH), side="right")
        documents = documents.opened_with(self._modes[which])
        rates, sequential = self._rates[which], self._sequential[which][documents.rows]
        tokens, spans = share_out(documents, *count_noise(documents.row_lens, rates, self._means[which]), _SHARES)
        ending = np.minimum(np.maximum(np.rint(documents.lengths * rates[documents.rows]), 1), documents.lengths - 1)
        tokens = np.where(sequential, ending.astype(np.int64), tokens)
        spans = np.where(sequential, np.minimum(tokens, 1), spans)
        fits = fit(documents, *pair_lens(documents.lengths, tokens, spans))
        if not fits.all():
            documents, tokens, spans, sequential = documents.only(fits), tokens[fits], spans[fits], sequential[fits]
        hidden = draw_spans(documents, tokens * ~sequential, spans * ~sequential, _SPLIT, _LAYING)
        kept_lens = documents.lengths - tokens * sequential
        hidden |= places(documents.lengths) >= np.repeat(kept_lens, documents.lengths)
        return documents, hide(documents, hidden, self._sentinels)

    def restored(self, sources: list[dict[int, list[int]]], targets: list[dict[int, list[int]]]) -> list[list[int]]:
        """Return the tokens of each row."""
        names = self._sentinels.tolist()
        rows = []
        for source, target in zip(sources, targets, strict=True):
            documents = [(number, reveal(tokens, target.get(number, []), names)) for number, tokens in source.items()]
            rows.append([token for number, tokens in documents for token in (*self._opener(number), *tokens[1:])])
        return rows

    def _opener(self, number: int) -> tuple[int, ...]:
        """Return what the mode token took the place of."""
        return (self._special.eos_id,) if number else ()


class PairedMixture(Objective):
    """A mixture of denoisers for encoder-decoders."""

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        self._denoisers = Denoisers(config, vocabulary)
        self._raw_len = longest_fitting(config.name, seq_len, self._fits)
        _, tokens, spans = self._denoisers.counts(np.array([self._raw_len]))
        self._target_len = int((tokens + 2 * spans).max())
        self._denoisers.check_sentinels(self._raw_len)

    @property
    def raw_len(self) -> int:
        return self._raw_len

    @property
    def target_len(self) -> int:
        return self._target_len

    def __call__(self, rows: Rows) -> Batch:
        documents, pairs = self._denoisers(Documents.of(rows, self.special.eos_id), self._fit)
        return paired(documents, pairs, (self.seq_len, self.target_len), self.special)

    def restore(self, batch: Batch) -> list[list[int]]:
        assert batch.inputs.source is not None, "the batch of an encoder-decoder"
        sources = by_document(batch.inputs.source.tokens, batch.inputs.source.document_ids)
        return self._denoisers.restored(sources, by_document(batch.targets, batch.inputs.document_ids))

    def _fits(self, length: Ints) -> Bools:
        whole, tokens, spans = self._denoisers.counts(length)
        fits = (whole - tokens + spans < self.seq_len) & (tokens + 2 * spans <= self.seq_len)
        return fits.all(axis=1)  # type: ignore[no-any-return]

    def _fit(self, documents: Documents, source_lens: Ints, target_lens: Ints) -> Bools:
        fits = first_that_fit(documents, source_lens, self.seq_len - 1)
        return fits & first_that_fit(documents, target_lens, self.target_len)  # type: ignore[no-any-return]


class JoinedMixture(Objective):
    """A mixture of denoisers for prefix decoders: the source is the prefix, the target follows in the same row."""

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        self._denoisers = Denoisers(config, vocabulary)
        self._raw_len = longest_fitting(config.name, seq_len, self._fits)
        self._denoisers.check_sentinels(self._raw_len)

    @property
    def raw_len(self) -> int:
        return self._raw_len

    def __call__(self, rows: Rows) -> Batch:
        documents, pairs = self._denoisers(Documents.of(rows, self.special.eos_id), self._fit)
        return joined(documents, pairs, self.seq_len, self.special)

    def restore(self, batch: Batch) -> list[list[int]]:
        inputs = batch.inputs
        assert inputs.prefix is not None, "the batch of a prefix decoder"
        sources = by_document(torch.where(inputs.prefix, inputs.tokens, IGNORE), inputs.document_ids)
        return self._denoisers.restored(sources, by_document(batch.targets, inputs.document_ids))

    def _fits(self, length: Ints) -> Bools:
        whole, _, spans = self._denoisers.counts(length)
        return (whole + 2 * spans <= self.seq_len).all(axis=1)  # type: ignore[no-any-return]

    def _fit(self, documents: Documents, source_lens: Ints, target_lens: Ints) -> Bools:
        return first_that_fit(documents, joined_lens(source_lens, target_lens), self.seq_len)
