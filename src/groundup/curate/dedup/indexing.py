"""The index of more hashes than fit into memory."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from groundup.core.files import storage_errors
from groundup.curate.dedup.arrays import ArrayWriter
from groundup.curate.dedup.postings import POSTINGS_TYPES, Numbers, Owners, filter_bytes, filter_of, grouped
from groundup.curate.dedup.words import Hashes

_BYTES_PER_HASH = 64
"""With its owner, at the peak of sorting."""


def write_postings(sets: Iterable[Hashes], sizes: Numbers, folder: Path, memory_bytes: int) -> None:
    """Write the files that `Postings.of` some texts writes, the same bytes, into `folder`, which exists.

    `sets` gives the hashes of one text after the other, each once, as many as `sizes` says. They are read once and laid down by
    ranges, which are sorted one at a time: memory is about `memory_bytes`, beside one text, `sizes`, and the owners of one hash.
    """
    total = int(sizes.sum())
    ranges = _Ranges(folder, total, memory_bytes)
    for owner, hashes in enumerate(sets):
        ranges.add(hashes, owner)
    num_bytes = filter_bytes(total)
    step, done = num_bytes // ranges.number, 0
    with ExitStack() as stack:
        writers = {name: stack.enter_context(ArrayWriter(folder / f"{name}.npy", dtype)) for name, dtype in POSTINGS_TYPES.items()}
        for number in range(ranges.number):
            hashes, starts, owners = grouped(*ranges.take(number))
            seen = filter_of(hashes, num_bytes, range(number * step, (number + 1) * step))
            for name, values in (("hashes", hashes), ("starts", starts + done), ("owners", owners), ("seen", seen)):
                writers[name].write(values)
            done += len(owners)
        writers["starts"].write(np.array([done]))
        writers["sizes"].write(sizes)


class _Ranges:
    """Hashes with their owners by the upper bits of the hash, in files."""

    def __init__(self, folder: Path, total: int, memory_bytes: int) -> None:
        self._folder = folder
        self._block = max(1, memory_bytes // _BYTES_PER_HASH)
        bits = min((max(0, total - 1) // self._block).bit_length(), filter_bytes(total).bit_length() - 1)
        self.number = 1 << bits
        self._shift = np.uint64(64 - bits)
        self._waiting: list[tuple[Hashes, int]] = []
        self._num_waiting = 0

    def add(self, hashes: Hashes, owner: int) -> None:
        """Take the hashes of one text."""
        self._waiting.append((hashes, owner))
        self._num_waiting += len(hashes)
        if self._num_waiting >= self._block:
            self._lay_down()

    def take(self, number: int) -> tuple[Hashes, Owners]:
        """Return the hashes of a range and their owners, in the order in which they came; once all are added, and once."""
        self._lay_down()
        path = self._path(number)
        with storage_errors(path):
            if not path.exists():
                return np.zeros(0, np.uint64), np.zeros(0, np.int32)
            pairs = np.fromfile(path, np.uint64).reshape(-1, 2)
            path.unlink()
        return pairs[:, 0], pairs[:, 1].astype(np.int32)

    def _lay_down(self) -> None:
        if not self._num_waiting:
            return
        pairs = np.empty((self._num_waiting, 2), np.uint64)
        np.concatenate([hashes for hashes, _ in self._waiting], out=pairs[:, 0])
        pairs[:, 1] = np.repeat([owner for _, owner in self._waiting], [len(hashes) for hashes, _ in self._waiting])
        self._waiting, self._num_waiting = [], 0
        ranges = pairs[:, 0] >> self._shift
        pairs = pairs[np.argsort(ranges, kind="stable")]
        edges = np.concatenate([[0], np.bincount(ranges.astype(np.int64), minlength=self.number).cumsum()])
        for number in np.flatnonzero(np.diff(edges)).tolist():
            with storage_errors(self._path(number)), self._path(number).open("ab") as file:
                file.write(pairs[edges[number] : edges[number + 1]].data)

    def _path(self, number: int) -> Path:
        return self._folder / f"range-{number:06}.bin"
