"""The documents of a part to train on that share something with one that is held out."""

import functools

import numpy as np
import numpy.typing as npt

from groundup.core.files import read_object
from groundup.curate.dedup.postings import Postings
from groundup.curate.leakage import LeakageIndex, Overlap
from groundup.curate.passes.decide import TRAIN, HeldOutFiles, held_out_files, shingles_of_part
from groundup.curate.passes.work import PartTask

Overlaps = dict[int, Overlap]
"""Row of the part -> what it has in common with the held-out document that it shares most with."""


def overlaps(task: PartTask, fates: npt.NDArray[np.int8]) -> Overlaps:
    """Return those that share anything with a held-out document."""
    if not task.work.config.validation:
        return {}
    found = _index(held_out_files(task.work)).overlaps(shingles_of_part(task.read))
    return {row: overlap for row, overlap in found.items() if fates[row] == TRAIN}


def leaks(task: PartTask, found: Overlaps) -> Overlaps:
    """Return those of the overlaps that are too large: the documents go."""
    threshold = task.work.config.leakage_threshold
    return {row: overlap for row, overlap in found.items() if overlap.containment >= threshold}


@functools.lru_cache(maxsize=1)
def _index(files: HeldOutFiles) -> LeakageIndex:
    """Return a worker's index of the documents held out."""
    return LeakageIndex(read_object(files.ids)["ids"], Postings.open(files.folder))
