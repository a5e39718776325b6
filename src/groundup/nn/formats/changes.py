"""How a tensor of another layout is made of ours, and taken apart again."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from groundup.nn.config import ModelConfig

EXTRA_POSITIONS = 2
"""Rows before the first position in OPT, BART and RoBERTa (fairseq's numbering, which starts behind the padding token 1)."""


class Change(ABC):
    """One way to hold some of our tensors in one of theirs; `split` is the exact inverse of `join`. Both work on meta tensors."""

    @abstractmethod
    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        """Return their tensor."""

    @abstractmethod
    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        """Return our tensors, of which `theirs` has the shape that `join` gives."""


class Same(Change):
    """The same tensor."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return ours[0]

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return [theirs]


class Transposed(Change):
    """A matrix [inputs, outputs], as the 1x1 convolutions of the first GPT hold it; biases are the same."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return ours[0].t()

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return [theirs.t()]


class SideBySide(Change):
    """Queries, keys and values as one transposed matrix [inputs, 3 * outputs], first all queries (GPT-2)."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return torch.cat(tuple(ours)).t()

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return theirs.t().chunk(3)


class HeadByHead(Change):
    """Queries, keys and values as one matrix, whose rows are those of the first head's three, then of the next's (Megatron)."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        heads = (config.num_heads, config.head_dim)
        return torch.stack([part.reshape(*heads, *part.shape[1:]) for part in ours], dim=1).flatten(0, 2)

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        heads = theirs.reshape(config.num_heads, 3, config.head_dim, *theirs.shape[1:])
        return [part.flatten(0, 1) for part in heads.unbind(1)]


class HalvesOfNeighbours(Change):
    """Queries or keys whose dims turn with their neighbours, put in the order in which the first half turns with the second.

    Both permute the dims of queries and keys alike, so that scores stay as they are.
    """

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        pairs = ours[0].reshape(-1, config.head_dim // 2, 2, *ours[0].shape[1:])
        return pairs.transpose(1, 2).flatten(0, 2)

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        halves = theirs.reshape(-1, 2, config.head_dim // 2, *theirs.shape[1:])
        return [halves.transpose(1, 2).flatten(0, 2)]


class NeighboursOfHalves(Change):
    """The way back: dims of which halves turn together, put in the order in which neighbours do."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return HALVES_OF_NEIGHBOURS.split(ours[0], config)[0]

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return [HALVES_OF_NEIGHBOURS.join([theirs], config)]


class AfterExtraPositions(Change):
    """A table of positions behind rows that no token's position falls on: left out of ours, zero in theirs."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return torch.cat((ours[0].new_zeros(EXTRA_POSITIONS, ours[0].shape[1]), ours[0]))

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return [theirs[EXTRA_POSITIONS:]]


class ZeroRow(Change):
    """A table of one row of zeros, which adds nothing: what a model without such a table has in a layout that needs one."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        return torch.zeros(1, config.dim)

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return []


class SinusoidTable(Change):
    """The sines, then the cosines, of the angles that pairs of dims turn by at each position; ours has them from its settings."""

    def join(self, ours: Sequence[Tensor], config: ModelConfig) -> Tensor:
        powers = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
        angles = torch.arange(config.max_seq_len, dtype=torch.float64)[:, None] / config.rope_theta**powers
        return torch.cat((angles.sin(), angles.cos()), dim=1).float()

    def split(self, theirs: Tensor, config: ModelConfig) -> Sequence[Tensor]:
        return []


SAME: Final = Same()
TRANSPOSED: Final = Transposed()
SIDE_BY_SIDE: Final = SideBySide()
HEAD_BY_HEAD: Final = HeadByHead()
HALVES_OF_NEIGHBOURS: Final = HalvesOfNeighbours()
NEIGHBOURS_OF_HALVES: Final = NeighboursOfHalves()
AFTER_EXTRA_POSITIONS: Final = AfterExtraPositions()
ZERO_ROW: Final = ZeroRow()
SINUSOID_TABLE: Final = SinusoidTable()
