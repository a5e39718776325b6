"""Positions as vectors that are learned."""

import torch
from torch import nn

from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Effects, Position
from groundup.nn.view import View


class LearnedPosition(Position):
    """Add a learned vector for each position of a document to the embeddings (Gehring et al. 2017; BERT, GPT-2).

    Positions beyond max_seq_len have no vector: longer input raises ConfigError.
    """

    def __init__(self, config: ModelConfig, causal: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(config.max_seq_len, config.dim)

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        longest, total = self.table.num_embeddings, view.start + len(view.query_positions)
        if total > longest:
            raise ConfigError(
                f"{total:,} tokens, but position='learned' has vectors for max_seq_len={longest:,}; shorten the input, or train "
                "with position rope, alibi, t5_bias or sinusoidal, which reach further"
            )
        return Effects(added=self.table(view.document_positions))
