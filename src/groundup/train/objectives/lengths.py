"""What of an objective is known before anything is trained: its rows' lengths, and whether the tokenizer has its tokens."""

import numpy as np

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ShapeName
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import FillTokens, SpecialTokens, Vocabulary


def row_lengths(objective: Objective) -> RowLengths:
    """Return the lengths of the objective's rows."""
    hidden = objective.config.hidden_share if objective.config.name == "masked" else 1.0
    return RowLengths(
        text_len=objective.stride,
        read_len=objective.seq_len,
        target_len=objective.target_len,
        predicted_len=max(round(objective.target_len * hidden), 1),
    )


def anticipated(config: ObjectiveConfig, seq_len: int, shape: ShapeName, sentinels: int) -> Objective:
    """Return the objective as it is with a tokenizer that has every kind of token, and so many sentinels.

    Raises ConfigError if the shape cannot learn it, the rows are too short, or it can need more sentinels.
    """
    eos, pad, mask, sep, prefix, suffix, middle, r, s, x = range(10)
    special = SpecialTokens(
        eos_id=eos,
        pad_id=pad,
        mask_id=mask,
        sentinel_ids=tuple(range(10, 10 + sentinels)),
        mode_ids={"R": r, "S": s, "X": x},
        fill=FillTokens(prefix, suffix, middle),
        sep_id=sep,
    )
    size = 12 + sentinels
    return build_objective(config, Vocabulary(size, special, np.ones(size, dtype=np.bool_), (size - 1,)), seq_len, shape)


def check(config: ObjectiveConfig, tokenizer: TextTokenizer, seq_len: int, shape: ShapeName) -> None:
    """Raise ConfigError if the tokenizer lacks what the objective needs."""
    build_objective(config, Vocabulary.of(tokenizer), seq_len, shape)
