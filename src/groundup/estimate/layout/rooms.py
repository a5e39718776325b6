"""Which layouts of a grid fit into a device's memory."""

from typing import Final

import numpy as np

from groundup.estimate.device_memory import LINES, Memory, Training, device_memory
from groundup.estimate.layout.candidates import Rejected
from groundup.estimate.layout.grid import Grid, Ints
from groundup.estimate.layout.problem import Problem
from groundup.train.parallel.config import Layout

GIB = 2**30
NAMED_LINES: Final = 3
NO_ROOM: Final = "needs "
"""How the reason of a layout that does not fit begins."""


class Rooms:
    """The memory of a grid's layouts.

    More sequences in a micro-batch need more memory, less recomputation too: of layouts alike in all else the boundary is searched,
    and not the memory of each computed.
    """

    def __init__(self, problem: Problem, grid: Grid) -> None:
        self._problem, self.grid = problem, grid
        self._known: dict[int, Memory] = {}
        self.rejected: list[Rejected] = []
        fits = np.zeros(len(grid), dtype=np.bool_)
        for places in self._families():
            fits[places] = self._fitting_of(places)
        self.fitting: Ints = np.flatnonzero(fits)

    @property
    def smallest(self) -> tuple[int, int]:
        """Place and bytes of the layout that needs least, of those that were computed."""
        place = min(self._known, key=lambda each: self._known[each].total)
        return place, self._known[place].total

    def _families(self) -> list[Ints]:
        """Return the places of layouts that differ in micro-batch, recomputation and offloading alone."""
        grid = self.grid
        kinds = np.stack([grid.dp, grid.tp, grid.pp, grid.cp, grid.zero, grid.shards, grid.schedule], axis=1)
        _, family = np.unique(kinds, axis=0, return_inverse=True)
        order = np.argsort(family, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(family[order])) + 1)

    def _fitting_of(self, places: Ints) -> np.typing.NDArray[np.bool_]:
        """Return which of a family fit. What needs least is tried first: where it does not fit, nothing of the family does."""
        grid, fits = self.grid, np.zeros(len(places), dtype=np.bool_)
        saving = np.stack([grid.offload[places], grid.recompute[places]], axis=1)
        for offload, recompute in sorted(set(map(tuple, saving.tolist())), reverse=True):
            of_kind = np.flatnonzero((saving == (offload, recompute)).all(axis=1))
            rising = of_kind[np.argsort(grid.micro_batch[places[of_kind]], kind="stable")]
            fewest = self._boundary(places[rising])
            fits[rising[:fewest]] = True
            if not fits.any():
                break
        return fits

    def _boundary(self, rising: Ints) -> int:
        """Return how many of these, the smallest micro-batch first, fit; note the first that does not."""
        low, high = 0, len(rising)
        if not self._fits(int(rising[0])):
            high = 0
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(int(rising[middle - 1])):
                low = middle
            else:
                high = middle - 1
        if low < len(rising):
            self._reject(int(rising[low]))
        return low

    def _fits(self, place: int) -> bool:
        return self._memory(place).total <= self._problem.hardware.memory_bytes

    def _memory(self, place: int) -> Memory:
        if place not in self._known:
            self._known[place] = memory_of(self._problem, self.grid.layout(place, self._problem.precision))
        return self._known[place]

    def _reject(self, place: int) -> None:
        memory = self._memory(place)
        lines = memory.lines
        largest = sorted(LINES, key=lambda line: lines[line], reverse=True)[:NAMED_LINES]
        parts = ", ".join(f"{line.replace('_', ' ')} {lines[line] / GIB:.1f}" for line in largest)
        has = self._problem.hardware.memory_gib
        self.rejected.append(
            Rejected(
                self.grid.layout(place, self._problem.precision).model_dump(mode="json", exclude={"schedule", "precision"}),
                f"{NO_ROOM}{memory.total / GIB:.1f} GiB of {has:.1f} GiB ({parts}), larger micro-batches more",
            )
        )


def memory_of(problem: Problem, layout: Layout) -> Memory:
    """Return the memory of the fullest device."""
    training = Training(
        rows=problem.rows,
        optimizer=problem.optimizer,
        attention=problem.attention,
        compiled=problem.compiled,
        sequence_parallel=problem.sequence_parallel,
    )
    return device_memory(problem.model, layout, training)
