"""Rows of an embedding for tokens that a vocabulary gained."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.core.errors import ConfigError


def with_new_rows(weight: Float[Tensor, "old dim"], pieces: Mapping[int, Sequence[int]]) -> Float[Tensor, "new dim"]:
    """Return the embedding with a row for each new token: the mean of the rows of the tokens that spelled it before.

    `pieces` maps each new id to old ids (`Tokenizer.new_pieces`). Means are taken in float32; rows that are there for ids without
    pieces stay as they are. The mean keeps what the model knew of the text, where random rows would be noise (after Hewitt 2021,
    who takes the mean of all rows). Serves an output head whose rows are tokens as well. Raises ConfigError if a piece has no row,
    or a new row would have to lie behind a gap.
    """
    rows = len(weight)
    odd = next((piece for old in pieces.values() for piece in old if not 0 <= piece < rows or piece in pieces), None)
    if odd is not None:
        raise ConfigError(
            f"a new token stands for token {odd}, which is none of the {rows:,} rows of this model; take its own tokenizer"
        )
    total = max(rows, 1 + max(pieces, default=-1))
    missing = next((number for number in range(rows, total) if number not in pieces), None)
    if missing is not None:
        raise ConfigError(
            f"the model has {rows:,} rows, and token {missing} is neither one of them nor new; take its own tokenizer"
        )
    grown = torch.empty(total, weight.shape[1], dtype=weight.dtype, device=weight.device)
    grown[:rows] = weight.detach()
    for number, old in pieces.items():
        grown[number] = weight.detach()[torch.tensor(list(old), device=weight.device)].float().mean(0).to(weight.dtype)
    return grown
