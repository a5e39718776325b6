"""The whole text, from a damaged one."""

import numpy as np
from jaxtyping import Bool, Int64

from groundup.core.errors import ConfigError
from groundup.train.batch import Batch
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import by_document, paired
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.ragged import group_starts, places, sums
from groundup.train.objectives.sentinels import Pairs
from groundup.train.objectives.spans import fill_budgets, lay, poisson, poisson_zeros, share_of_each
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.randomness import Ints, random_bits, uniforms

_SHARES, _LENGTH, _ZEROS, _LAYING, _PLACE, _SHUFFLE, _ORDER = range(7)


class Denoising(Objective):
    """Predict a document from itself with its sentences shuffled and spans of it infilled (BART: Lewis et al. 2020, section 2.2).

    Text infilling: spans of lengths from Poisson's distribution, together `rate` of the document, each become one mask token; one
    of length 0 puts a mask token where nothing was. A sentence ends with one of the vocabulary's sentence ends. A document that
    ends within the row is predicted with its end.
    """

    def __init__(self, config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int) -> None:
        super().__init__(config, vocabulary, seq_len)
        self._mask = self.special.need_mask(config.name)
        if config.shuffle_share and not vocabulary.sentence_ends:
            raise ConfigError(
                f"pretrain.objective.shuffle_share={config.shuffle_share:g} shuffles sentences, but this tokenizer has no tokens "
                "that end one ('.', '!', '?'); set pretrain.objective.shuffle_share=0"
            )
        if self.raw_len < 2:
            raise ConfigError(f"seq_len={seq_len} is too short for pretrain.objective.name='{config.name}'; raise it to at least 3")
        self._ends_sentence = np.zeros(vocabulary.size, dtype=np.bool_)
        self._ends_sentence[list(vocabulary.sentence_ends)] = True
        self._lengths, self._zeros = poisson(config.mean_span_len), poisson_zeros(config.mean_span_len)

    @property
    def raw_len(self) -> int:
        return self.seq_len - 1

    @property
    def target_len(self) -> int:
        return self.raw_len

    def __call__(self, rows: Rows) -> Batch:
        documents = Documents.of(rows, self.special.eos_id)
        budgets = share_of_each(documents, documents.lengths, self.config.hidden_share, _SHARES)
        drawn = self._lengths.draw(documents.bits_at(_LENGTH, documents.first_items(budgets)))
        span_lens, spans = fill_budgets(budgets, drawn)
        hidden = lay(documents, documents.lengths, spans, span_lens, _LAYING)
        zeros = sums(self._zeros.draw(documents.bits_at(_ZEROS, documents.first_items(spans))), spans)
        source, source_lens = self._infill(documents, documents.tokens[self._shuffled(documents)], hidden, zeros)
        target, target_lens = with_ends(documents)
        pairs = Pairs(source, source_lens, target, target_lens)
        return paired(documents, pairs, (self.seq_len, self.target_len), self.special)

    def restore(self, batch: Batch) -> list[list[int]]:
        assert batch.inputs.source is not None, "the batch of an encoder-decoder"
        sources = by_document(batch.inputs.source.tokens, batch.inputs.source.document_ids)
        targets = by_document(batch.targets, batch.inputs.document_ids)
        rows = []
        for source, target in zip(sources, targets, strict=True):
            opener = [] if 0 in source else [self.special.eos_id]
            # Behind each document but the last stands its end, which is what opens the next.
            rows.append([*(opener if source else []), *(token for number in source for token in target.get(number, []))])
        return rows

    def _shuffled(self, documents: Documents) -> Ints:
        """Return the tokens' places with the sentences of chosen documents in random order, the opening eos staying first."""
        begins = np.zeros(len(documents.tokens) + 1, dtype=np.bool_)
        begins[1:] = self._ends_sentence[documents.tokens]
        begins[documents.starts] = True
        begins[(documents.starts + 1)[documents.opened]] = True
        starts = np.flatnonzero(begins[:-1])
        sentence_lens = np.diff(starts, append=len(documents.tokens))
        document = np.searchsorted(documents.starts, starts, side="right") - 1
        chosen = uniforms(documents.bits_at(_SHUFFLE, documents.starts)) < self.config.shuffle_share
        opens = documents.opened[document] & (starts == documents.starts[document])
        rank = np.where(chosen[document] & ~opens, documents.bits_at(_ORDER, starts), np.uint64(0))
        order = np.lexsort((rank, document))
        return np.repeat(starts[order], sentence_lens[order]) + places(sentence_lens[order])  # type: ignore[no-any-return]

    def _infill(
        self,
        documents: Documents,
        tokens: Int64[np.ndarray, " tokens"],
        hidden: Bool[np.ndarray, " tokens"],
        zeros: Int64[np.ndarray, " documents"],
    ) -> tuple[Int64[np.ndarray, " source"], Int64[np.ndarray, " documents"]]:
        """Put a mask token in the place of each run, and `zeros` of them anywhere in the document, as long as the row has room."""
        left = ~hidden  # then: how many tokens of the source each token leaves behind
        left[1:] |= ~hidden[:-1]
        emitted = left.astype(np.int64)
        room = self.seq_len - 1 - sums(sums(emitted, documents.lengths), documents.per_row)
        emitted += np.bincount(self._insertions(documents, hidden, zeros, room), minlength=len(tokens))
        source = np.full(int(emitted.sum()), self._mask, dtype=np.int64)
        source[group_starts(emitted)[~hidden]] = tokens[~hidden]
        return source, sums(emitted, documents.lengths)

    @staticmethod
    def _insertions(documents: Documents, hidden: Bool[np.ndarray, " tokens"], zeros: Ints, room: Ints) -> Ints:
        """Return behind which kept token each inserted mask token stands, every kept token being equally likely."""
        kept = np.flatnonzero(~hidden)
        kept_lens = sums((~hidden).astype(np.int64), documents.lengths)
        document = np.repeat(np.arange(len(zeros)), zeros)
        row, number = documents.rows[document], places(sums(zeros, documents.per_row))
        drawn = uniforms(random_bits(documents.seeds[row], _PLACE, number)) * kept_lens[document]
        return kept[group_starts(kept_lens)[document] + drawn.astype(np.int64)][number < room[row]]  # type: ignore[no-any-return]


def with_ends(documents: Documents) -> tuple[Int64[np.ndarray, " target"], Int64[np.ndarray, " documents"]]:
    """Return each document without its opening eos, with the eos that ends it where that is in the row."""
    opens_row = documents.opened & (places(documents.per_row) == 0)
    return np.delete(documents.tokens, documents.starts[opens_row]), documents.lengths - documents.opened + ~documents.last
