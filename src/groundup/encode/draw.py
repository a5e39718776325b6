"""Which documents of a source are enough for its part of a mix."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.train.randomness import mix

Marks = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
ALL = np.uint64(2**64 - 1)
"""The key up to which every document is kept."""


def marks_of(ids: Iterable[str]) -> Marks:
    """Return 64 bits of a hash of each id."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def key_of(marks: Marks, seed: int) -> Marks:
    """Return the place of each document in the order in which a source is drawn from: a function of its id and the seed."""
    return mix(marks ^ np.uint64(seed % 2**64))


@dataclass(frozen=True)
class Kept:
    """The documents of a source up to some key."""

    last_key: np.uint64
    tokens: int
    documents: int


class Draw:
    """Finds up to which key documents are kept so that their tokens are just enough for a target, in two passes and bounded memory.

    The first pass counts by the first bits of the key, the second looks at the documents of the one range in which the target is
    reached. A larger target keeps the same documents and more.
    """

    _BITS = 16

    def __init__(self) -> None:
        self._documents, self._tokens = np.zeros((2, 1 << self._BITS), dtype=np.int64)
        self._inside: list[tuple[Marks, Counts]] = []
        self._target = self._crossing = 0

    @property
    def all(self) -> Kept:
        """All documents."""
        return Kept(ALL, int(self._tokens.sum()), int(self._documents.sum()))

    def count(self, keys: Marks, tokens: Counts) -> None:
        """First pass: take in some documents."""
        ranges = self._ranges(keys)
        np.add.at(self._documents, ranges, 1)
        np.add.at(self._tokens, ranges, tokens)

    def aim(self, target: int) -> None:
        """Say how many tokens are wanted, between the passes: more than none, less than all."""
        self._target = target
        self._crossing = int(np.searchsorted(np.cumsum(self._tokens), target))

    def look(self, keys: Marks, tokens: Counts) -> None:
        """Second pass: the same documents again."""
        inside = self._ranges(keys) == self._crossing
        self._inside.append((keys[inside], tokens[inside]))

    def kept(self) -> Kept:
        """Return the documents that are enough."""
        keys, tokens = (np.concatenate(column) for column in zip(*self._inside, strict=True))
        order = np.argsort(keys, kind="stable")
        keys, sums = keys[order], self._tokens[: self._crossing].sum() + np.cumsum(tokens[order])
        enough = int(np.searchsorted(sums, self._target))
        last = int(np.searchsorted(keys, keys[enough], side="right")) - 1  # documents of one key are kept together
        return Kept(keys[last], int(sums[last]), int(self._documents[: self._crossing].sum()) + last + 1)

    def _ranges(self, keys: Marks) -> Counts:
        return (keys >> np.uint64(64 - self._BITS)).astype(np.int64)
