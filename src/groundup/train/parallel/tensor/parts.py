"""What modules do on one rank of those that share their matrices, with this rank's part of the weights.

Each class stands before a class of `nn` in the order of inheritance (as fully_shard's does): what `nn` computes, it computes on the
parts. Between the products each rank has the stream of its own part of the sequence.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.nn.cache import KVCache
from groundup.nn.positions.base import Effects
from groundup.nn.transformer import Inputs
from groundup.nn.view import View
from groundup.train.parallel.lengths import filled
from groundup.train.parallel.tensor.exchange import Peers
from groundup.train.parallel.tensor.sizes import vocabulary_rows


class Part(nn.Module):
    """A module of which this rank has a part; by itself it computes what it did, on what it has."""

    peers: ClassVar[Peers]


class Wide(Part):
    """A feed-forward layer: sees whole sequences, of which it computes some inner dims."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.peers.gather(x))  # type: ignore[no-any-return]


class SomeHeads(Part):
    """Attention: sees whole sequences, for some of the heads."""

    def forward(self, x: Tensor, *rest: Any) -> Tensor:
        return super().forward(self.peers.gather(x), *rest)  # type: ignore[no-any-return]

    def across(self, x: Tensor, *rest: Any) -> Tensor:
        return super().across(self.peers.gather(x), *rest)  # type: ignore[misc, no-any-return]


class Summing(Part):
    """A matrix whose columns are shared: every rank has a share of the sum that it writes to the stream."""

    weight: Tensor
    bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        written = self.peers.scatter_sum(F.linear(x, self.weight))
        return written if self.bias is None else written + self.bias.to(written.dtype)


class SomeTokens(Part):
    """The embedding, of which a rank has some rows; each token's vector is of one rank."""

    weight: Tensor
    num_embeddings: int

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.weight
        at = tokens - self.peers.rank * vocabulary_rows(self.num_embeddings, self.peers.size)
        is_other = (at < 0) | (at >= len(rows))
        vectors = F.embedding(at.masked_fill(is_other, 0), rows)
        return self.peers.scatter_sum(vectors.masked_fill(is_other[..., None], 0))


class SomeLogits(Part):
    """The head, of which a rank has some rows: by itself it gives all logits, while the loss takes the parts."""

    _embedding: tuple[nn.Embedding]

    def forward(self, hidden: Tensor) -> Tensor:
        return self.peers.join(super().forward(hidden), self._embedding[0].num_embeddings)


class OwnTokens(Part):
    """A table that is whole on each rank, looked up for the rank's part of the sequence."""

    def forward(self, kinds: Tensor) -> Tensor:
        return super().forward(self.peers.own(kinds))  # type: ignore[no-any-return]


class OwnPositions(Part):
    """Positions: what they add to the stream, they add to the rank's part of it."""

    def effects(self, view: View, dtype: torch.dtype) -> Effects:
        effects: Effects = super().effects(view, dtype)  # type: ignore[misc]
        return effects if effects.added is None else replace(effects, added=self.peers.own(effects.added))


class Last(Part):
    """The last module of a stack, whose result every rank gets whole."""

    def forward(self, x: Tensor) -> Tensor:
        return self.peers.gather(super().forward(x))


class EvenLengths(Part):
    """A model: rows are filled up to lengths that can be shared out, by a document of padding that is cut off again."""

    def hidden(self, inputs: Inputs, cache: KVCache | None = None) -> Tensor:
        assert cache is None, "a model that is shared out is trained, and text is made with a whole one"
        hidden: Tensor = super().hidden(filled(inputs, self.peers.size))  # type: ignore[misc]
        return hidden[:, : inputs.tokens.shape[1]]
