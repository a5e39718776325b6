"""The documents of a part to train on that share something with one that is held out."""

import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from groundup.core.files import read_object
from groundup.curate.dedup.postings import Postings
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.leakage import LeakageIndex, Overlap
from groundup.curate.passes.decide import TRAIN, HeldOutFiles, held_out_files
from groundup.curate.passes.work import PartTask, ReadPart

Overlaps = dict[int, Overlap]
"""Row of the part -> what it has in common with the held-out document that it shares most with."""

_BLOCK = 1 << 19
"""Shingles that are looked up at once."""


def overlaps(task: PartTask, fates: npt.NDArray[np.int8]) -> Overlaps:
    """Return those that share anything with a held-out document."""
    if not task.work.config.validation:
        return {}
    index = _index(held_out_files(task.work))
    found: Overlaps = {}
    for first, shingles in _blocks(task.read):
        found |= {first + row: overlap for row, overlap in index.overlaps(shingles).items() if fates[first + row] == TRAIN}
    return found


def _blocks(part: ReadPart) -> Iterator[tuple[int, Shingles]]:
    """Yield the shingles of the documents of a part, some at a time, with the row of the first."""
    offsets = np.load(part.shingle_offsets)
    first = 0
    while first < len(offsets) - 1:
        end = int(np.searchsorted(offsets, offsets[first] + _BLOCK, side="right")) - 1
        rows = np.arange(first, max(end, first + 1))
        hashes = list(part.shingles_of(rows))
        yield first, Shingles(np.concatenate(hashes), np.cumsum([0, *map(len, hashes)]))
        first += len(rows)


def leaks(task: PartTask, found: Overlaps) -> Overlaps:
    """Return those of the overlaps that are too large: the documents go."""
    threshold = task.work.config.leakage_threshold
    return {row: overlap for row, overlap in found.items() if overlap.containment >= threshold}


@functools.lru_cache(maxsize=1)
def _index(files: HeldOutFiles) -> LeakageIndex:
    """Return a worker's index of the documents held out."""
    return LeakageIndex(read_object(files.ids)["ids"], Postings.open(files.folder))
