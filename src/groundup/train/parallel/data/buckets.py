"""Tensors that are sent together: parts of each rank side by side."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

MOST_ELEMENTS = 1 << 23
"""Of a bucket, unless one tensor has more."""


class Bucket:
    """Tensors of these shapes as one [ranks, width], a row for the parts of each rank.

    Of each tensor, rank r has ceil(rows / ranks) rows from r times as many on, as of a DTensor that is sharded along its first dim;
    where the last ranks have fewer, the row is filled up.
    """

    def __init__(self, shapes: Sequence[torch.Size], ranks: int, rank: int) -> None:
        self.shapes, self.ranks, self.rank = tuple(shapes), ranks, rank
        self._rows = [-(-shape[0] // ranks) for shape in shapes]
        sizes = [rows * shape[1:].numel() for rows, shape in zip(self._rows, shapes, strict=True)]
        self._spans = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        self.width = sum(sizes)

    def own(self, tensor: Tensor, number: int) -> Tensor:
        """Return a view of this rank's part of a whole tensor."""
        return tensor.narrow(0, *self._place(number, self.rank))

    def packed(self, wholes: Sequence[Tensor | None], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return the tensors, zeros where there is none: [ranks * width]."""
        flat = torch.zeros(self.ranks, self.width, dtype=dtype, device=device)
        for whole, place in zip(wholes, self._places(flat), strict=True):
            if whole is not None:
                _copy(whole, place, into_places=True)
        return flat.view(-1)

    def unpack(self, flat: Tensor, wholes: Sequence[Tensor]) -> None:
        """Copy [ranks * width] into whole tensors."""
        for whole, place in zip(wholes, self._places(flat.view(self.ranks, self.width)), strict=True):
            _copy(whole, place, into_places=False)

    def row(self, parts: Sequence[Tensor], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return this rank's parts: [width]."""
        row = torch.zeros(self.width, dtype=dtype, device=device)
        for part, view in zip(parts, self.parts(row), strict=True):
            view.copy_(part)
        return row

    def parts(self, row: Tensor) -> list[Tensor]:
        """Return this rank's parts as views of its row."""
        counts = [self._place(number, self.rank)[1] for number in range(len(self.shapes))]
        return [
            row[span][: count * shape[1:].numel()].view(count, *shape[1:])
            for span, count, shape in zip(self._spans, counts, self.shapes, strict=True)
        ]

    def _place(self, number: int, rank: int) -> tuple[int, int]:
        """Return first row and count of a rank's part."""
        rows, size = self._rows[number], self.shapes[number][0]
        first = min(rank * rows, size)
        return first, min(rows, size - first)

    def _places(self, flat: Tensor) -> Iterator[Tensor]:
        return (flat[:, span] for span in self._spans)


def _copy(whole: Tensor, place: Tensor, into_places: bool) -> None:
    """Copy between a whole tensor and its parts, [ranks, width of a part], one row of it for each rank."""
    ranks, width = place.shape
    entries = whole.detach().reshape(-1)
    if entries.numel() == ranks * width:
        pairs = [(entries.view(ranks, width), place)]
    else:
        starts = range(0, entries.numel(), width)
        pairs = [(entries[at : at + width], place[rank, : entries[at : at + width].numel()]) for rank, at in enumerate(starts)]
    for own, other in pairs:
        _ = other.copy_(own) if into_places else own.copy_(other)
