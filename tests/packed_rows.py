"""Made-up vocabularies and packed rows, for tests of objectives."""

from typing import get_args

import numpy as np

from groundup.artifacts.token_shards import TokenShards
from groundup.train.objectives.config import SHAPES_OF, MaskUnit, ObjectiveConfig
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import FillTokens, SpecialTokens, Vocabulary

EOS = 0
SENTENCE_ENDS = (5, 6)
FORMS = ("packed", "padded", "whole")
NUM_OTHERS = 9
"""Special tokens beside eos and sentinels."""


def made_up_vocabulary(size: int = 61, sentinels: int = 14) -> Vocabulary:
    """Ids: eos, text, sentinels, then pad, mask, sep, prefix, suffix, middle and the modes; a third of the text goes on a word."""
    text_end = size - NUM_OTHERS - sentinels
    pad, mask, sep, prefix, suffix, middle, r, s, x = range(size - NUM_OTHERS, size)
    special = SpecialTokens(
        eos_id=EOS,
        pad_id=pad,
        mask_id=mask,
        sentinel_ids=tuple(range(text_end, text_end + sentinels)),
        mode_ids={"R": r, "S": s, "X": x},
        fill=FillTokens(prefix, suffix, middle),
        sep_id=sep,
    )
    return Vocabulary(size, special, np.arange(size) % 3 != 0, SENTENCE_ENDS)


def text_ids(vocabulary: Vocabulary) -> np.ndarray:
    return vocabulary.ordinary


def rows_of_lengths(lengths: list[list[int]], raw_len: int, vocabulary: Vocabulary, seed: int = 0, opened: bool = True) -> Rows:
    """Return rows of documents of these lengths, padded to `raw_len`; the first of a row begins with eos if `opened`."""
    generator = np.random.default_rng(seed)
    tokens = generator.choice(text_ids(vocabulary), (len(lengths), raw_len))
    ids = np.full((len(lengths), raw_len), -1)
    for row, row_lengths in enumerate(lengths):
        assert sum(row_lengths) <= raw_len
        ends = np.cumsum(row_lengths)
        for number, (start, end) in enumerate(zip(ends - row_lengths, ends, strict=True)):
            ids[row, start:end] = number + opened
            if number or opened:
                tokens[row, start] = EOS
    return Rows(tokens, ids, generator.integers(2**64, size=len(lengths), dtype=np.uint64))


def random_rows(
    num_rows: int, raw_len: int, vocabulary: Vocabulary, seed: int = 0, mean_len: float = 20.0, form: str = "packed"
) -> Rows:
    """Return rows cut out of a stream of documents of geometric lengths; form: packed, padded, or whole (one document a row)."""
    generator = np.random.default_rng(seed)
    tokens = generator.choice(text_ids(vocabulary), (num_rows, raw_len))
    tokens[generator.random(tokens.shape) < 1 / mean_len] = EOS
    ids = np.cumsum(tokens == EOS, axis=1)
    if form == "whole":
        ids[:] = 0
    if form == "padded":
        ids[np.arange(raw_len) >= generator.integers(1, raw_len + 1, (num_rows, 1))] = -1
    return Rows(tokens, ids, generator.integers(2**64, size=num_rows, dtype=np.uint64))


def raw_rows(rows: Rows) -> list[list[int]]:
    """Return the tokens of each row without padding."""
    return [row[ids >= 0].tolist() for row, ids in zip(rows.tokens, rows.document_ids, strict=True)]


def variants() -> list[tuple[str, str, dict]]:
    """Return (objective, shape, settings) of everything that the tests of contracts go through."""
    found = [(name, shape, {}) for name, shapes in SHAPES_OF.items() for shape in shapes]
    return found + [("masked", "encoder", {"unit": unit}) for unit in get_args(MaskUnit) if unit != "token"]


def name_of(variant: tuple[str, str, dict]) -> str:
    name, shape, settings = variant
    return "-".join([name, shape, *map(str, settings.values())])


def build(name: str, shape: str, settings: dict, seq_len: int = 32, vocabulary: Vocabulary | None = None) -> Objective:
    config = ObjectiveConfig.model_validate({"name": name, **settings})
    return build_objective(config, vocabulary or made_up_vocabulary(), seq_len, shape)


def causal(shards: TokenShards, seq_len: int) -> Objective:
    vocabulary = Vocabulary(shards.info.vocab_size, SpecialTokens(shards.info.eos_id))
    return build_objective(ObjectiveConfig(), vocabulary, seq_len, "decoder")
