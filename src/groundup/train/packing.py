"""Rows packed from whole documents, as far as they fit: fewer are cut than where windows are taken of the stream."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.artifacts.documents import Split
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.token_stream import TokenStream
from groundup.train.objectives.ragged import group_starts, padded, places
from groundup.train.order import Stream
from groundup.train.randomness import Ints


@dataclass(frozen=True)
class Packing:
    """Which pieces of a stream make up each row: a piece is a document with its end-of-document, or a part of one that is too long.

    A row is its opening token and its pieces; what is left of it is padding. A document longer than a row is cut into whole rows
    from its start on; the rest of it is packed.
    """

    starts: Ints
    """Where each piece begins in the stream, row by row."""
    lengths: Ints
    row_pieces: Ints
    """Pieces of each row."""
    capacity: int
    """Tokens of the stream that a row holds at most."""
    cut: int
    """Documents that are in more than one row."""

    @property
    def rows(self) -> int:
        return len(self.row_pieces)

    @property
    def fill(self) -> float:
        """Share of the rows that is text."""
        return float(self.lengths.sum()) / max(self.rows * self.capacity, 1)

    def read(self, stream: TokenStream | npt.NDArray[np.unsignedinteger], rows: Ints, eos_id: int) -> tuple[Ints, Ints]:
        """Return tokens of the rows, the opening one first, and how many of each are not padding.

        A row opens with eos; one that goes on with a document opens with the token before.
        """
        counts = self.row_pieces[rows]
        pieces = np.repeat(group_starts(self.row_pieces)[rows], counts) + places(counts)
        starts, lengths = self.starts[pieces], self.lengths[pieces]
        row_lens = np.add.reduceat(lengths, group_starts(counts))
        tokens = np.full((len(rows), self.capacity + 1), eos_id, dtype=np.int64)
        cuts = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
        text = np.concatenate([stream[start:stop] for start, stop in cuts]).astype(np.int64)
        tokens[:, 1:] = padded(text, row_lens, self.capacity, eos_id)
        first = starts[group_starts(counts)]
        goes_on = (row_lens == self.capacity) & (first > 0)
        tokens[goes_on, 0] = [stream[start - 1 : start][0] for start in first[goes_on].tolist()]
        return tokens, row_lens + 1


def pack(shards: TokenShards, split: Split, source: str, raw_len: int) -> Packing:
    """Return the packing of a source into rows of `raw_len` tokens, by best-fit decreasing (Ding et al. 2024, section 3)."""
    index = shards.index(split, source)
    starts, tokens = (index[name].to_numpy().astype(np.int64) for name in ("start", "tokens"))
    capacity = raw_len - 1
    whole, rest = np.divmod(tokens, capacity)
    chunk_starts = np.repeat(starts, whole) + places(whole) * capacity
    rest_starts = (starts + whole * capacity)[rest > 0]
    lengths = rest[rest > 0]
    row_of = best_fit(lengths, capacity)
    order = np.argsort(row_of, kind="stable")
    row_pieces = np.concatenate([np.ones(len(chunk_starts), np.int64), np.bincount(row_of).astype(np.int64)])
    return Packing(
        starts=np.concatenate([chunk_starts, rest_starts[order]]),
        lengths=np.concatenate([np.full(len(chunk_starts), capacity), lengths[order]]),
        row_pieces=row_pieces,
        capacity=capacity,
        cut=int((tokens > capacity).sum()),
    )


def packings(shards: TokenShards, split: Split, raw_len: int) -> dict[str, Packing]:
    """Return the packing of each source that has text."""
    named = [source.name for source in shards.info.sources if source.tokens[split]]
    return {name: pack(shards, split, name, raw_len) for name in named}


def packed_streams(shards: TokenShards, found: Mapping[str, Packing]) -> list[Stream]:
    """Return the sources with their rows as windows."""
    return [Stream(s.name, found[s.name].rows, s.weight) for s in shards.info.sources if s.name in found]


def best_fit(lengths: Ints, capacity: int) -> Ints:
    """Return the bin of each item: longest first, each into the fullest bin that has room, else into a new one.

    Items of one length and bins of one room are handled together, which makes as many steps as there are lengths and rooms.
    """
    order = np.argsort(-lengths, kind="stable")
    bin_of = np.empty(len(lengths), dtype=np.int64)
    free: dict[int, list[Ints]] = {}
    rooms: list[int] = []
    num_bins = 0

    def put(bins: Ints, room: int) -> None:
        if len(bins) and room:
            if room not in free:
                insort(rooms, room)
            free.setdefault(room, []).append(bins)

    sizes, counts = np.unique(lengths, return_counts=True)
    done = 0
    for size, count in zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True):
        items, done = order[done : done + count], done + count
        while len(items):
            at = bisect_left(rooms, size)
            if at < len(rooms):
                room = rooms.pop(at)
                bins = np.concatenate(free.pop(room))
            else:
                room, each = capacity, capacity // size
                bins = num_bins + np.arange(-(-len(items) // each), dtype=np.int64)
                num_bins += len(bins)
            each = room // size
            taken, items = items[: len(bins) * each], items[len(bins) * each :]
            full, partial = divmod(len(taken), each)
            bin_of[taken] = np.repeat(bins, each)[: len(taken)]
            put(bins[:full], room - each * size)
            if partial:
                put(bins[full : full + 1], room - partial * size)
                full += 1
            put(bins[full:], room)
    return bin_of
