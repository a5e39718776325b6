"""The choice of held-out documents."""

from collections.abc import Iterable

from groundup.core.seeds import derive_seed

_RANGE = 2.0**64


def choose_validation(ids: Iterable[str], seed: int, fraction: float) -> set[str]:
    """Return the ids whose hash with `seed` lies below `fraction` of its range: a document's fate hangs on no other document.

    Two or more documents give at least one held out (if `fraction` > 0) and at least one to train on: the one with the
    lowest hash is held out, the one with the highest is not.
    """
    if fraction <= 0:
        return set()
    positions = {document_id: derive_seed(seed, "validation", document_id) / _RANGE for document_id in ids}
    if len(positions) < 2:
        return set()
    chosen = {document_id for document_id, position in positions.items() if position < fraction}
    order = sorted(positions, key=lambda document_id: (positions[document_id], document_id))
    return (chosen | {order[0]}) - {order[-1]}
