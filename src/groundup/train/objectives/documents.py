"""Rows of tokens, and the documents that they are packed from."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from groundup.train.objectives.ragged import group_starts, places, sums
from groundup.train.randomness import Bools, Ints, random_bits, uniforms


@dataclass(frozen=True)
class Rows:
    """Windows of token streams, each with a random stream of its own."""

    tokens: Int64[np.ndarray, "rows raw_len"]
    document_ids: Int64[np.ndarray, "rows raw_len"]
    """A run of equal numbers is a document, or a piece of one; below 0: padding. All but the first of a row begin with eos."""
    seeds: UInt64[np.ndarray, " rows"]
    """Derived from what the row is (source, window) and how often it has been seen, never from its place in a batch."""

    def part(self, start: int, stop: int) -> "Rows":
        """Return the rows from number `start` up to `stop`."""
        return Rows(self.tokens[start:stop], self.document_ids[start:stop], self.seeds[start:stop])


@dataclass(frozen=True)
class Documents:
    """The documents of some rows, laid end to end."""

    tokens: Int64[np.ndarray, " tokens"]
    lengths: Int64[np.ndarray, " documents"]
    opened: Bool[np.ndarray, " documents"]
    """Whether the document's start is in the row, so that it begins with eos."""
    numbers: Int64[np.ndarray, " documents"]
    """Number within the row, 0 for one that began before it: how often eos has been met."""
    per_row: Int64[np.ndarray, " rows"]
    """Documents of each row."""
    seeds: UInt64[np.ndarray, " rows"]

    @classmethod
    def of(cls, rows: Rows, eos_id: int) -> "Documents":
        """Find the documents; padding is left out."""
        ids = rows.document_ids
        opens = np.ones(ids.shape, dtype=np.bool_)
        opens[:, 1:] = ids[:, 1:] != ids[:, :-1]
        tokens, flat_opens = rows.tokens.reshape(-1), opens.reshape(-1)
        real = ids >= 0
        if not real.all():
            opens &= real
            tokens, flat_opens = rows.tokens[real], opens[real]
        starts = np.flatnonzero(flat_opens)
        lengths = np.diff(starts, append=len(tokens))
        opened = tokens[starts] == eos_id
        per_row = opens.sum(axis=1, dtype=np.int64)
        in_row = places(per_row)
        assert (opened | (in_row == 0)).all(), "all documents but the first of a row begin with eos"
        first_opened = opened[np.repeat(group_starts(per_row), per_row)]
        return cls(tokens, lengths, opened, in_row + first_opened, per_row, rows.seeds)

    @cached_property
    def starts(self) -> Ints:
        """Where each document begins."""
        return group_starts(self.lengths)

    @cached_property
    def row_lens(self) -> Ints:
        """Tokens of each row."""
        return sums(self.lengths, self.per_row)

    @cached_property
    def rows(self) -> Ints:
        """The row of each document."""
        return np.repeat(np.arange(len(self.per_row)), self.per_row)

    @cached_property
    def last(self) -> Bools:
        """Whether each document is the last of its row."""
        return np.append(self.rows[1:] != self.rows[:-1], np.ones(min(len(self.rows), 1), dtype=np.bool_))

    def bits(self, stream: int) -> UInt64[np.ndarray, " tokens"]:
        """Return random bits for each token, from its row's seed and its place in the row."""
        width = int(self.row_lens.max(initial=0))
        grid = random_bits(self.seeds[:, None], stream, np.arange(width))
        return grid.reshape(-1) if (self.row_lens == width).all() else grid[np.arange(width) < self.row_lens[:, None]]

    def bits_at(self, stream: int, items: Int64[np.ndarray, " items"]) -> UInt64[np.ndarray, " items"]:
        """Return those of the bits of `stream` that belong to the tokens at `items`."""
        ends = np.cumsum(self.row_lens)
        row = np.searchsorted(ends, items, side="right")
        return random_bits(self.seeds[row], stream, items - (ends - self.row_lens)[row])

    def first_items(self, counts: Int64[np.ndarray, " documents"]) -> Int64[np.ndarray, " items"]:
        """Return where the first `counts` tokens of each document are."""
        return np.repeat(self.starts, counts) + places(counts)  # type: ignore[no-any-return]

    def row_uniforms(self, stream: int) -> Float64[np.ndarray, " rows"]:
        """Return a random number in [0, 1) for each row."""
        return uniforms(random_bits(self.seeds, stream, np.zeros(1, dtype=np.int64)))

    def only(self, kept: Bool[np.ndarray, " documents"]) -> "Documents":
        """Return those documents alone."""
        return replace(
            self,
            tokens=self.tokens[np.repeat(kept, self.lengths)],
            lengths=self.lengths[kept],
            opened=self.opened[kept],
            numbers=self.numbers[kept],
            per_row=sums(kept.astype(np.int64), self.per_row),
        )

    def opened_with(self, opener: Int64[np.ndarray, " rows"]) -> "Documents":
        """Return the documents with another first token for each row, in the place of eos or before what is no document's start."""
        tokens = np.insert(self.tokens, self.starts[~self.opened], 0)
        lengths = self.lengths + ~self.opened
        tokens[group_starts(lengths)] = opener[self.rows]
        return replace(self, tokens=tokens, lengths=lengths)
