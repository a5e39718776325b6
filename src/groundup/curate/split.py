"""The choice of held-out documents."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from groundup.core.seeds import derive_seed

_RANGE = 2.0**64


def places(ids: Iterable[str], seed: int) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each document, which hangs on the seed and its id alone."""
    return np.array([derive_seed(seed, "validation", document_id) for document_id in ids], np.float64) / _RANGE


def are_held_out(found: npt.NDArray[np.float64], fraction: float) -> npt.NDArray[np.bool_]:
    """Return which documents are held out: those with a place below `fraction`, so that the fate of one hangs on no other.

    Two or more documents give at least one held out (if `fraction` > 0) and at least one to train on: the one with the
    lowest place is held out, the one with the highest is not. Those with one place, sections of one document, stay together.
    """
    if fraction <= 0 or len(found) < 2:
        return np.zeros(len(found), np.bool_)
    are_chosen: npt.NDArray[np.bool_] = ((found < fraction) | (found == found.min())) & (found != found.max())
    return are_chosen


def choose_validation(ids: Iterable[str], seed: int, fraction: float) -> set[str]:
    """Return the ids of those that are held out."""
    listed = sorted(ids)
    chosen = are_held_out(places(listed, seed), fraction)
    return {document_id for document_id, is_chosen in zip(listed, chosen.tolist(), strict=True) if is_chosen}
