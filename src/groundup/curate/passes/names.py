"""One id a record: those that stand twice are told apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from groundup.curate.passes.read import record_ids
from groundup.curate.passes.work import Numbers, PartTask

Names = dict[int, dict[int, str]]
"""Part -> record of it -> its new id, for those that have one."""


@dataclass(frozen=True)
class _Repeat:
    """A record with an id that an earlier one has."""

    part: int
    record: int
    document_id: str
    source: str

    @property
    def base(self) -> str:
        """The id with its source before it."""
        return self.document_id if self.document_id.startswith(f"{self.source}:") else f"{self.source}:{self.document_id}"


def unique_names(tasks: Sequence[PartTask], first: Numbers, starts: Numbers) -> Names:
    """Return new ids for the records whose id an earlier one has: SOURCE:ID, or with a number behind it where that is taken too.

    `first` holds for each record the number of the first one with its id, `starts` the number of the first record of each part.
    """
    names: Names = {}
    taken: set[str] = set()
    tried: dict[str, int] = {}
    pending = list(_repeats(tasks, first, starts))
    while pending:
        proposed = [_next_name(repeat, tried) for repeat in pending]
        is_known = _are_known(proposed, tasks)
        again = []
        for repeat, name, known in zip(pending, proposed, is_known.tolist(), strict=True):
            if known or name in taken:
                again.append(repeat)
            else:
                taken.add(name)
                names.setdefault(repeat.part, {})[repeat.record] = name
        pending = again
    return names


def _repeats(tasks: Sequence[PartTask], first: Numbers, starts: Numbers) -> Iterator[_Repeat]:
    """Yield the records whose id stands twice, in order."""
    repeated = np.flatnonzero(first != np.arange(len(first)))
    bounds = np.searchsorted(repeated, starts)
    for part in np.flatnonzero(np.diff(bounds)).tolist():
        records = set((repeated[bounds[part] : bounds[part + 1]] - starts[part]).tolist())
        for record, document_id in sorted(found for found in record_ids(tasks[part].read) if found[0] in records):
            yield _Repeat(part, record, document_id, tasks[part].part.source)


def _next_name(repeat: _Repeat, tried: dict[str, int]) -> str:
    number = tried.get(repeat.base, 0 if repeat.base != repeat.document_id else 1) + 1
    tried[repeat.base] = number
    return repeat.base if number == 1 else f"{repeat.base}#{number}"


def _are_known(names: Sequence[str], tasks: Sequence[PartTask]) -> npt.NDArray[np.bool_]:
    """Return for each name whether a record has it as its id, to 64 bits of a hash: a false alarm costs a number in a name."""
    hashes = np.array([xxhash.xxh3_128_intdigest(name.encode()) >> 64 for name in names], np.uint64)
    found = np.zeros(len(names), np.bool_)
    for task in tasks:
        found |= np.isin(hashes, np.load(task.read.id_keys, mmap_mode="r")[0])
    return found
