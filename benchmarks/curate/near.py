"""Near-duplicates of a text at a wanted Jaccard similarity, measured exactly."""

import re
from collections.abc import Callable

import numpy as np
from prose import Prose
from shingles import containment, jaccard, shingles

Pieces = list[str]
"""Words of a text, each with the white space after it."""
_PIECE = re.compile(r"\S+\s*")
_RUN = 12


def near_duplicate(text: str, target: float, rng: np.random.Generator, prose: Prose) -> tuple[str, float, str]:
    """Return `text` edited until its Jaccard similarity with the original comes next to `target`, that similarity, and how."""
    edit = str(rng.choice(list(EDITS)))
    pieces = _PIECE.findall(text)
    places = rng.permutation(len(pieces)).tolist()
    fresh = [f"{word} " for word in prose.words(3 * len(pieces))]
    original = shingles(text)
    low, high = 1, len(pieces) - 1
    while low < high:  # similarity falls with the number of words edited
        middle = (low + high) // 2
        if jaccard(original, shingles("".join(EDITS[edit](pieces, places, fresh, middle)))) > target:
            low = middle + 1
        else:
            high = middle
    edited = "".join(EDITS[edit](pieces, places, fresh, low)).strip()
    return edited, jaccard(original, shingles(edited)), edit


def _replace(pieces: Pieces, places: list[int], fresh: Pieces, number: int) -> Pieces:
    """Replace scattered words."""
    edited = list(pieces)
    for place in places[:number]:
        edited[place] = fresh[place].rstrip() + _space(pieces[place])
    return edited


def _replace_block(pieces: Pieces, places: list[int], fresh: Pieces, number: int) -> Pieces:
    """Replace words in a row."""
    start = places[0] % max(len(pieces) - number, 1)
    return [*pieces[:start], *fresh[:number], *pieces[start + number :]]


def _insert(pieces: Pieces, places: list[int], fresh: Pieces, number: int) -> Pieces:
    """Insert runs of new words, up to twice as many as there were."""
    number *= 2
    edited = list(pieces)
    for start in range(0, number, _RUN):
        at = places[start // _RUN % len(places)] % len(pieces)
        edited[at] += "".join(fresh[start : min(start + _RUN, number)])
    return edited


def _delete(pieces: Pieces, places: list[int], fresh: Pieces, number: int) -> Pieces:
    """Take runs of words out."""
    gone = {place + offset for place in places[: number // _RUN] for offset in range(_RUN)}
    gone |= {places[number // _RUN] + offset for offset in range(number % _RUN)}
    left = [piece for place, piece in enumerate(pieces) if place not in gone]
    return left or pieces[:1]


EDITS: dict[str, Callable[[Pieces, list[int], Pieces, int], Pieces]] = {
    "replace": _replace,
    "replace_block": _replace_block,
    "insert": _insert,
    "delete": _delete,
}


def _space(piece: str) -> str:
    return piece[len(piece.rstrip()) :]


def quotation(text: str, rng: np.random.Generator, prose: Prose) -> tuple[str, float, float]:
    """Return another text that quotes much of `text` in one run, with its Jaccard similarity and containment."""
    pieces = _PIECE.findall(text)
    number = int(len(pieces) * rng.uniform(0.65, 0.95))
    start = int(rng.integers(0, len(pieces) - number + 1))
    before, after = (prose.fresh(int(len(pieces) * rng.uniform(0.5, 1.0))) for _ in range(2))
    quoting = f"{before}\n\n{''.join(pieces[start : start + number]).strip()}\n\n{after}"
    one, other = shingles(text), shingles(quoting)
    return quoting, jaccard(one, other), containment(one, other)
