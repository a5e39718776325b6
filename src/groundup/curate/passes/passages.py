"""The passes that find passages which stand in several documents: hashed part by part, then each is given to the first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundup.artifacts.columns import mask
from groundup.core.files import read_object
from groundup.core.memory import give_back
from groundup.curate.dedup.arrays import write_array
from groundup.curate.dedup.config import HashedKind, PassageKind, RepeatedPassagesConfig
from groundup.curate.dedup.passages import (
    Cut,
    Lines,
    Passages,
    ThreeSentences,
    WordWindows,
    without,
    write_passages,
    write_repeated,
)
from groundup.curate.dedup.runs import pack, unpack
from groundup.curate.dedup.shingles import Shingles
from groundup.curate.dedup.substrings import SUBSTRING_WORDS, WholeWords, check_memory, repeated_windows
from groundup.curate.dedup.words import Hashes, Offsets
from groundup.curate.passes.decide import TRAIN, VALIDATION, Decisions
from groundup.curate.passes.leaks import leaks, overlaps
from groundup.curate.passes.work import Numbers, PartTask, Work, read_batches, whole_folder

HASHED: dict[HashedKind, Callable[[], Passages]] = {
    "three_sentences": ThreeSentences,
    "lines": Lines,
    "windows": WordWindows,
}
"""Kinds of passages that are found by hash."""


def passages_of(kind: PassageKind) -> Passages:
    """Return what a passage of this kind is."""
    return WholeWords(SUBSTRING_WORDS) if kind == "substrings" else HASHED[kind]()


@dataclass(frozen=True)
class Repeated:
    """Files that say which passages of all documents are not the first of their kind."""

    folder: Path

    @property
    def passages(self) -> Path:
        """(Document, number of the passage in it), packed and sorted: uint64."""
        return self.folder / "passages.npy"

    @property
    def starts(self) -> Path:
        """The number of the first document of each part, and behind it how many there are: int64 [parts + 1]."""
        return self.folder / "starts.npy"

    def of_part(self, number: int) -> dict[int, list[int]]:
        """Return for each row of a part that has some the numbers of its repeated passages."""
        start, end = np.load(self.starts)[number : number + 2].astype(np.uint64)
        packed = np.load(self.passages, mmap_mode="r")
        bounds = np.searchsorted(packed, pack(np.array([start, end]), np.zeros(2, np.uint64)))
        documents, passages = unpack(np.array(packed[slice(*bounds)]))
        rows, firsts = np.unique(documents - start, return_index=True)
        each = np.split(passages, firsts[1:])
        return {row: numbers.tolist() for row, numbers in zip(rows.tolist(), each, strict=False)}


def repeated(work: Work) -> Repeated:
    """Return where it is written which passages are repeated."""
    return Repeated(work.scratch / "repeated")


def hash_passages(task: PartTask) -> None:
    """Write which documents of a part are still there, and the hashes of their passages; nothing to do if that is done."""
    folder = _folder(task)
    if not folder.exists():
        with whole_folder(folder) as partial:
            is_there = _still_there(task)
            np.save(partial / "is_there.npy", is_there)
            kind = task.work.config.repeated_passages.kind
            if kind is not None and kind != "substrings":
                write_passages(partial, _hashes(task, is_there, HASHED[kind]()))
        give_back()


def find_repeated(work: Work, tasks: Sequence[PartTask]) -> None:
    """Write which passages another document has before, or the same one further up; nothing to do if that is done.

    The first is that in the order of reading. Raises BudgetError if a suffix array needs more memory than there is.
    """
    if not repeated(work).folder.exists():
        with whole_folder(repeated(work).folder) as partial:
            files = Repeated(partial)
            documents = [read_object(task.read.tally)["documents"] for task in tasks]
            np.save(files.starts, np.cumsum([0, *documents]))
            folders = [_folder(task) for task in tasks]
            if work.config.repeated_passages.kind == "substrings":
                write_array(files.passages, _by_suffix_array(work, tasks))
            else:
                width = passages_of(_kind(work.config.repeated_passages)).width
                write_repeated(folders, files.passages, width, work.memory_bytes)


class Remover:
    """Takes repeated passages out of the documents of a part."""

    def __init__(self, task: PartTask) -> None:
        self.kind = _kind(task.work.config.repeated_passages)
        self._passages = passages_of(self.kind)
        self._numbers = repeated(task.work).of_part(task.number)

    def cut(self, row: int, text: str) -> Cut:
        """Return what is left of the text of a row."""
        return without(text, self._passages, self._numbers[row]) if row in self._numbers else Cut(text, ())


def _kind(settings: RepeatedPassagesConfig) -> PassageKind:
    assert settings.kind is not None, "repeated passages are not asked for"
    return settings.kind


def _folder(task: PartTask) -> Path:
    return task.work.folder("passages", task.number)


def _still_there(task: PartTask) -> npt.NDArray[np.bool_]:
    """Return which documents of a part no stage has dropped so far."""
    fates = np.load(Decisions(task.work.folder("decide", task.number)).fates)
    is_there: npt.NDArray[np.bool_] = np.isin(fates, (TRAIN, VALIDATION))
    is_there[list(leaks(task, overlaps(task, fates)))] = False
    return is_there


def _hashes(task: PartTask, is_there: npt.NDArray[np.bool_], passages: Passages) -> Shingles:
    """Return the hashes of the passages of all documents of a part; one that is not there any more has none."""
    hashes: list[Hashes] = [np.zeros(0, np.uint64)]
    sizes: Offsets = np.zeros(len(is_there), np.int64)
    for rows, texts in _texts(task, is_there):
        found = passages.hashes(texts)
        hashes.append(found.hashes)
        sizes[rows] = np.diff(found.offsets)
    return Shingles(np.concatenate(hashes), np.concatenate([np.zeros(1, np.int64), sizes.cumsum()]))


def _texts(task: PartTask, is_there: npt.NDArray[np.bool_]) -> Iterator[tuple[Numbers, list[str]]]:
    """Yield the rows and texts of the documents that are there, some at a time."""
    first = 0
    for batch in read_batches(task.read.rows, ["text"]):
        wanted = is_there[first : first + len(batch)]
        if wanted.any():
            yield first + np.flatnonzero(wanted), batch.column("text").filter(mask(wanted)).to_pylist()
        first += len(batch)


def _by_suffix_array(work: Work, tasks: Sequence[PartTask]) -> Hashes:
    """Return (document, first word) of each repeated run of words, packed and sorted: all text is in memory, as numbers."""
    are_there = [np.load(_folder(task) / "is_there.npy") for task in tasks]
    num_words = sum(
        int(np.load(task.read.num_words)[is_there].sum() + is_there.sum()) for task, is_there in zip(tasks, are_there, strict=True)
    )
    check_memory(num_words, work.memory_bytes)
    texts = (text for task, is_there in zip(tasks, are_there, strict=True) for _, found in _texts(task, is_there) for text in found)
    rows = repeated_windows(texts, work.memory_bytes)
    documents = np.flatnonzero(np.concatenate([np.zeros(0, np.bool_), *are_there]))
    return pack(documents[rows[:, 0]].astype(np.uint64), rows[:, 1].astype(np.uint64))
