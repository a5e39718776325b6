"""Hidden spans, spelled out by the decoder."""

import numpy as np
from jaxtyping import Bool, Int64

from groundup.train.batch import Batch
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import by_document, first_that_fit, paired
from groundup.train.objectives.objective import Objective, longest_fitting
from groundup.train.objectives.sentinels import hide, pair_lens, reveal
from groundup.train.objectives.spans import count_noise, lay, most_spans, share_out, split_evenly
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import Bools, Ints

_SHARES, _SPLIT, _LAYING = range(3)


class SpanCorruption(Objective):
    """Predict hidden spans from the text around them (T5: Raffel et al. 2020, section 3.1.4).

    `rate` of a row's tokens are hidden, in spans of `mean_span_len` on average, shared out among its documents. Where documents
    are so short that the row does not fit, the last of them are left out.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        self._raw_len = longest_fitting(config.name, seq_len, self._fits)
        length = np.array([self._raw_len])
        tokens, spans = self._noise(length)
        self._target_len = int((tokens + 2 * most_spans(length, spans))[0])
        way_out = f"raise objective.mean_span_len, which is {config.mean_span_len:g}"
        self._sentinels = self.special.need_sentinels(config.name, int(spans[0]) + 1, way_out)

    @property
    def raw_len(self) -> int:
        return self._raw_len

    @property
    def target_len(self) -> int:
        """Room for a final sentinel behind each span: in the worst case each has a document of its own."""
        return self._target_len

    def __call__(self, rows: Rows) -> Batch:
        documents = Documents.of(rows, self.special.eos_id)
        tokens, spans = share_out(documents, *self._noise(documents.row_lens), _SHARES)
        source_lens, target_lens = pair_lens(documents.lengths, tokens, spans)
        fit = first_that_fit(documents, source_lens, self.seq_len - 1) & first_that_fit(documents, target_lens, self.target_len)
        if not fit.all():
            documents, tokens, spans = documents.only(fit), tokens[fit], spans[fit]
        hidden = draw_spans(documents, tokens, spans, _SPLIT, _LAYING)
        return paired(documents, hide(documents, hidden, self._sentinels), (self.seq_len, self.target_len), self.special)

    def restore(self, batch: Batch) -> list[list[int]]:
        assert batch.inputs.source is not None, "the batch of an encoder-decoder"
        sources = by_document(batch.inputs.source.tokens, batch.inputs.source.document_ids)
        targets = by_document(batch.targets, batch.inputs.document_ids)
        names = self._sentinels.tolist()
        return [
            [token for number, part in source.items() for token in reveal(part, target.get(number, []), names)]
            for source, target in zip(sources, targets, strict=True)
        ]

    def _noise(self, length: Ints) -> tuple[Ints, Ints]:
        return count_noise(length, self.config.hidden_share, self.config.mean_span_len)

    def _fits(self, length: Ints) -> Bools:
        """Return whether a document of so many tokens fits, with a place to spare in the source (in the paper: for its end)."""
        tokens, spans = self._noise(length)
        source_lens, _ = pair_lens(length, tokens, spans)
        target_lens = tokens + 2 * most_spans(length, spans)
        return (source_lens < self.seq_len) & (target_lens <= self.seq_len)  # type: ignore[no-any-return]


def draw_spans(
    documents: Documents,
    tokens: Int64[np.ndarray, " documents"],
    spans: Int64[np.ndarray, " documents"],
    split_stream: int,
    laying_stream: int,
) -> Bool[np.ndarray, " tokens"]:
    """Return which tokens are hidden, if so many of each document are, in so many spans."""
    span_lens = split_evenly(documents, tokens, spans, split_stream)
    return lay(documents, documents.lengths, spans, span_lens, laying_stream)
