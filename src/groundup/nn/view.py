"""Which tokens of one pass ask, which answer, and where they stand."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class View:
    """Queries and keys by their place in the row, their documents, and what may be seen.

    Queries see keys of their own document: with `causal` those up to their own place, and all that are marked in `prefix`.
    """

    query_positions: Int[Tensor, " query"]
    key_positions: Int[Tensor, " key"]
    causal: bool
    query_ids: Int[Tensor, "batch query"] | None = None
    key_ids: Int[Tensor, "batch total"] | None = None
    """Number of each token's document, in `key_ids` from the row's first token on; None: all of a row are of one."""
    prefix: Bool[Tensor, "batch key"] | None = None
    first_key: int = 0
    """Place of the first key; those before it are seen by no query, and gone."""

    @cached_property
    def start(self) -> int:
        """Place of the first query."""
        return self.first_key + len(self.key_positions) - len(self.query_positions) if self.causal else 0

    @cached_property
    def whole(self) -> bool:
        """Whether queries and keys are the same tokens."""
        return len(self.key_positions) == len(self.query_positions)

    @cached_property
    def document_positions(self) -> Int[Tensor, "#batch query"]:
        """Place of each query within its own document."""
        if self.key_ids is None:
            return self.query_positions[None]
        return positions_in_documents(self.key_ids)[:, self.query_positions]

    def hides(self) -> bool:
        """Whether more is hidden than what comes after a query."""
        return self.query_ids is not None or self.prefix is not None

    def visible(self) -> Bool[Tensor, "#batch query key"]:
        """Return which keys each query sees.

        Padding of a decoder whose source has none would see nothing, and make numbers of nothing: it sees everything.
        """
        queries, keys = self.query_positions[:, None], self.key_positions[None, :]
        seen = keys <= queries if self.causal else torch.ones_like(keys <= queries)
        seen = seen[None]
        if self.prefix is not None:
            seen = seen | self.prefix[:, None, :]
        if self.query_ids is not None and self.key_ids is not None:
            seen = seen & (self.query_ids[:, :, None] == self.key_ids[:, None, self.first_key :])
            if not self.causal:
                seen = seen | ~seen.any(-1, keepdim=True)
        return seen


def view_itself(
    start: int,
    length: int,
    causal: bool,
    device: torch.device,
    document_ids: Int[Tensor, "batch total"] | None = None,
    prefix: Bool[Tensor, "batch total"] | None = None,
    first_key: int = 0,
) -> View:
    """Return the view of `length` tokens that follow `start` others on those from `first_key` on; ids and prefix are of all."""
    keys = torch.arange(first_key, start + length, device=device)
    ids = None if document_ids is None else document_ids[:, start:]
    return View(keys[start - first_key :], keys, causal, ids, document_ids, prefix, first_key)


def view_source(
    length: int,
    source_len: int,
    device: torch.device,
    ids: Int[Tensor, "batch query"] | None,
    source_ids: Int[Tensor, "batch key"] | None,
) -> View:
    """Return the view of a decoder's tokens on the encoder's: each sees all of its own document's source."""
    return View(torch.arange(length, device=device), torch.arange(source_len, device=device), False, ids, source_ids)


def positions_in_documents(document_ids: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    """Return each token's place within its run of equal ids."""
    positions = torch.arange(document_ids.shape[1], device=document_ids.device).expand_as(document_ids)
    opens = torch.zeros_like(document_ids, dtype=torch.bool)
    opens[:, 1:] = document_ids[:, 1:] != document_ids[:, :-1]
    return positions - (positions * opens).cummax(dim=1).values
