"""The passes that compare documents of all parts: which are copies, which say nearly the same, and which of them is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from groundup.artifacts.columns import column, strings
from groundup.artifacts.columns import numbers as as_numbers
from groundup.core.engines import Engine
from groundup.core.memory import give_back
from groundup.core.progress import progress
from groundup.curate.dedup.arrays import Columns
from groundup.curate.dedup.candidates import write_candidates
from groundup.curate.dedup.exact import write_copies
from groundup.curate.dedup.runs import unpack
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.survivors import Survivors, survivors
from groundup.curate.dedup.verify import jaccard
from groundup.curate.ledger.shares import binned
from groundup.curate.passes.names import Names
from groundup.curate.passes.work import Numbers, PartTask, ReadPart, Work, read_batches

PAIRS_PER_TASK = 1 << 12
"""Their shingles are in memory at once: some 20 MB for documents of 1.5 kB."""


@dataclass(frozen=True)
class Corpus:
    """All documents that the first pass kept, numbered in the order in which they were read."""

    tasks: Sequence[PartTask]
    starts: Numbers
    """The number of the first document of each part, and behind it how many there are in all."""
    names: Names
    """New ids, by part and record."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def split(self, numbers: Numbers) -> Iterator[tuple[int, Numbers]]:
        """Yield for each part that has some of the sorted `numbers` those, counted from its first document."""
        bounds = np.searchsorted(numbers, self.starts)
        for part in np.flatnonzero(np.diff(bounds)).tolist():
            yield part, numbers[bounds[part] : bounds[part + 1]] - self.starts[part]

    def ids(self, numbers: Numbers) -> pa.Array:
        """Return the ids of the documents with these numbers, which must be sorted."""
        found = [strings([])]
        for part, rows in self.split(numbers):
            found.append(part_ids(self.tasks[part], self.names.get(part, {})).take(column(rows)))
        return pa.concat_arrays(found)

    def ranks(self, numbers: Numbers) -> Numbers:
        """Return the place of each document in the order in which copies are kept: by place of the source, most words, id.

        `numbers` must be sorted. Memory grows with their ids.
        """
        positions = [np.zeros(0, np.int64)]
        num_words = [np.zeros(0, np.int64)]
        for part, rows in self.split(numbers):
            task = self.tasks[part]
            positions.append(np.full(len(rows), task.position))
            num_words.append(-np.load(task.read.num_words, mmap_mode="r")[rows])
        columns = [column(np.concatenate(positions)), column(np.concatenate(num_words)), self.ids(numbers)]
        table = pa.Table.from_arrays(columns, ["position", "words", "id"])
        order = as_numbers(pc.sort_indices(table, [(name, "ascending") for name in table.column_names]))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks


def part_ids(task: PartTask, new_names: dict[int, str]) -> pa.Array:
    """Return the ids of the documents of a part."""
    batches = list(read_batches(task.read.rows, ["record", "id"]))
    ids = pa.concat_arrays([strings([]), *(batch.column("id") for batch in batches)])
    if not new_names:
        return ids
    records = [record for batch in batches for record in batch.column("record").to_pylist()]
    return strings([new_names.get(record, old) for record, old in zip(records, ids.to_pylist(), strict=True)])


def first_of_equals(files: Sequence[Path], out: Path, memory_bytes: int) -> Numbers:
    """Return for each of all keys in the files of the parts the number of the first one that is equal; `out` is left behind."""
    columns = Columns(files)
    write_copies(columns, out, memory_bytes)
    first = np.arange(columns.num_documents)
    copies, kept = unpack(np.load(out, mmap_mode="r"))
    first[copies.astype(np.int64)] = kept
    return first


def best_copies(corpus: Corpus, first: Numbers) -> Numbers:
    """Return for each document the number of the copy of it that is kept, its own where there is none; `first` tells equal ones."""
    kept = np.arange(len(corpus))
    has_copies = np.bincount(first, minlength=len(first)) > 1
    members = np.flatnonzero(has_copies[first])
    if len(members):
        groups = first[members]
        order = np.lexsort((corpus.ranks(members), groups))
        is_best = np.diff(groups[order], prepend=-1) != 0
        best = members[order[is_best]]
        kept[members] = best[np.searchsorted(groups[order[is_best]], groups)]
    return kept


@dataclass(frozen=True)
class PairsTask:
    """Some pairs of documents that may say nearly the same."""

    parts: tuple[ReadPart, ...]
    starts: tuple[int, ...]
    pairs: Path
    begin: int
    end: int


def similarities(task: PairsTask) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of the shingles of each pair."""
    packed = np.load(task.pairs, mmap_mode="r")[task.begin : task.end]
    first, second = (numbers.astype(np.int64) for numbers in unpack(packed))
    documents, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    places = places.reshape(2, -1)
    found = jaccard(places[0], places[1], _shingles_of(task, documents))
    give_back()
    return found


def _shingles_of(task: PairsTask, documents: Numbers) -> Shingles:
    """Return the shingles of the documents, which must be sorted."""
    bounds = np.searchsorted(documents, np.array(task.starts))
    hashes = [np.zeros(0, np.uint64)]
    for part in np.flatnonzero(np.diff(bounds)).tolist():
        rows = documents[bounds[part] : bounds[part + 1]] - task.starts[part]
        hashes += task.parts[part].shingles_of(rows)
    return Shingles(np.concatenate(hashes), np.cumsum([0, *map(len, hashes[1:])]))


@dataclass(frozen=True)
class Near:
    """What the comparison of documents found."""

    survivors: Survivors
    similarities: list[int]
    """How many candidate pairs have a similarity in each bin (`ledger.shares`)."""


def near_duplicates(corpus: Corpus, lost: Numbers, engine: Engine, work: Work) -> Near:
    """Return which documents go because they are nearly equal to one that is kept; `lost`, sorted, take no part."""
    pairs = work.scratch / "pairs.npy"
    if not pairs.exists():
        bands = Columns([task.read.bands for task in corpus.tasks])
        write_candidates(bands, pairs, work.memory_bytes, excluded=lost.astype(np.uint64))
    packed = np.load(pairs, mmap_mode="r")
    parts, starts = tuple(task.read for task in corpus.tasks), tuple(corpus.starts.tolist())
    tasks = [
        PairsTask(parts, starts, pairs, begin, min(begin + PAIRS_PER_TASK, len(packed)))
        for begin in range(0, len(packed), PAIRS_PER_TASK)
    ]
    found = np.zeros(len(packed))
    with progress("comparing candidates", len(packed)) as bar:
        for number, values in engine.run(similarities, tasks):
            found[tasks[number].begin : tasks[number].end] = values
            bar.advance(len(values))
    is_near = found >= work.config.near_duplicates.threshold
    first, second = (numbers.astype(np.int64) for numbers in unpack(packed[is_near]))
    ranks = corpus.ranks(np.unique(np.concatenate([first, second])))
    return Near(survivors(first, second, found[is_near], ranks.astype(np.uint64)), binned(found))
