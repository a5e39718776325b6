"""What becomes of each document once all are compared: written down part by part, for the last pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundup.artifacts.columns import chosen
from groundup.core.engines import Engine
from groundup.core.files import read_object, write_json
from groundup.curate.dedup.indexing import write_postings
from groundup.curate.dedup.survivors import KEPT, Survivors
from groundup.curate.passes.match import Corpus, part_ids
from groundup.curate.passes.work import Numbers, PartTask, Work, whole_folder
from groundup.curate.sources.sections import document_of
from groundup.curate.split import are_held_out, places

FATES = ("train", "validation", "deduplicate", "near_duplicates")
TRAIN, VALIDATION, COPY, NEAR = range(len(FATES))
_INDEX_SHARE = 8
"""Part of a process's memory that indexing takes: its workers wait with theirs."""


@dataclass(frozen=True)
class Decisions:
    """Files that say what becomes of the documents of a part."""

    folder: Path

    @property
    def fates(self) -> Path:
        """Position in FATES: int8 [documents]."""
        return self.folder / "fates.npy"

    @property
    def similarities(self) -> Path:
        """With the twin; 1 for a copy: float64 [documents]."""
        return self.folder / "similarities.npy"

    @property
    def twins(self) -> Path:
        """Ids of the documents that are repeated, null for those that repeat none: one column [documents]."""
        return self.folder / "twins.arrow"

    @property
    def clusters(self) -> Path:
        """Ids of the first documents of their clusters, null for those that are in none: one column [documents]."""
        return self.folder / "clusters.arrow"

    @property
    def names(self) -> Path:
        """New ids by record."""
        return self.folder / "names.json"

    def new_names(self) -> dict[int, str]:
        return {int(record): str(name) for record, name in read_object(self.names).items()}

    def twin_ids(self) -> list[str | None]:
        return _read_column(self.twins)

    def cluster_ids(self) -> list[str | None]:
        return _read_column(self.clusters)


@dataclass(frozen=True)
class HeldOutFiles:
    """The documents that are held out: their ids, and `Postings` of their shingles for every worker to look into."""

    folder: Path

    @property
    def ids(self) -> Path:
        return self.folder / "ids.json"


@dataclass(frozen=True)
class Fates:
    """What becomes of all documents of the corpus."""

    fates: npt.NDArray[np.int8]
    twins: Numbers
    similarities: npt.NDArray[np.float64]
    clusters: Numbers
    """The first document of the cluster of near-duplicates, KEPT for those in none."""

    @classmethod
    def of(cls, kept_copies: Numbers, near: Survivors | None) -> "Fates":
        """Return the fates before any document is held out."""
        numbers = np.arange(len(kept_copies))
        is_copy = kept_copies != numbers
        fates = np.where(is_copy, COPY, TRAIN).astype(np.int8)
        twins = np.where(is_copy, kept_copies, KEPT)
        similarities = is_copy.astype(np.float64)
        clusters = np.full(len(numbers), KEPT)
        if near is not None:
            goes = near.twins != KEPT
            dropped = near.documents[goes]
            fates[dropped], twins[dropped], similarities[dropped] = NEAR, near.twins[goes], near.similarities[goes]
            clusters[near.documents] = near.clusters
        return cls(fates, twins, similarities, clusters)


@dataclass(frozen=True)
class PlacesTask:
    """The ids of one part, for their places in the order of being held out."""

    task: PartTask
    names: dict[int, str]


def part_places(of: PlacesTask) -> npt.NDArray[np.float64]:
    """Return the place of each document of the part; sections of one document have the same, and of documents of one id."""
    in_sections = of.task.work.config.sources[of.task.position].section_chars is not None
    ids = part_ids(of.task, {} if in_sections else of.names).to_pylist()
    return places(map(document_of, ids) if in_sections else ids, of.task.work.seed)


def hold_out(corpus: Corpus, fates: Fates, engine: Engine, work: Work) -> None:
    """Mark the documents that are held out, of those that are kept."""
    if not work.config.validation:
        return
    found = np.zeros(len(corpus))
    tasks = [PlacesTask(task, corpus.names.get(number, {})) for number, task in enumerate(corpus.tasks)]
    for number, values in engine.run(part_places, tasks):
        found[corpus.starts[number] : corpus.starts[number + 1]] = values
    kept = np.flatnonzero(fates.fates == TRAIN)
    fates.fates[kept[are_held_out(found[kept], work.config.validation)]] = VALIDATION


def write_decisions(corpus: Corpus, fates: Fates, work: Work) -> None:
    """Write the decisions of each part."""
    known = np.unique(np.concatenate([numbers[numbers != KEPT] for numbers in (fates.twins, fates.clusters)]))
    known_ids = corpus.ids(known)
    for number in range(len(corpus.tasks)):
        folder = work.folder("decide", number)
        if folder.exists():
            continue
        part = slice(corpus.starts[number], corpus.starts[number + 1])
        with whole_folder(folder) as partial:
            files = Decisions(partial)
            np.save(files.fates, fates.fates[part])
            np.save(files.similarities, fates.similarities[part])
            for path, numbers in ((files.twins, fates.twins[part]), (files.clusters, fates.clusters[part])):
                _write_column(path, known_ids.take(chosen(np.searchsorted(known, numbers), numbers != KEPT)))
            write_json(files.names, {str(record): name for record, name in corpus.names.get(number, {}).items()})


def _write_column(path: Path, ids: pa.Array) -> None:
    table = pa.Table.from_arrays([ids], ["id"])
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


def _read_column(path: Path) -> list[str | None]:
    with pa.memory_map(str(path.absolute())) as file:
        ids: list[str | None] = pa.ipc.open_file(file).read_all().column(0).to_pylist()
    return ids


def held_out_files(work: Work) -> HeldOutFiles:
    """Return where the held-out documents are looked up."""
    return HeldOutFiles(work.scratch / "held_out")


def write_held_out(corpus: Corpus, numbers: Numbers, work: Work) -> None:
    """Write what the documents to train on are compared with: those of these numbers, which are held out."""
    files = held_out_files(work)
    if files.folder.exists():
        return
    sizes = [np.zeros(0, np.int64)]
    for part, rows in corpus.split(numbers):
        sizes.append(np.diff(np.load(corpus.tasks[part].read.shingle_offsets))[rows])
    with whole_folder(files.folder) as partial:
        write_postings(_shingles(corpus, numbers), np.concatenate(sizes), partial, work.memory_bytes // _INDEX_SHARE)
        write_json(HeldOutFiles(partial).ids, {"ids": corpus.ids(numbers).to_pylist()})


def _shingles(corpus: Corpus, numbers: Numbers) -> Iterator[npt.NDArray[np.uint64]]:
    for part, rows in corpus.split(numbers):
        yield from corpus.tasks[part].read.shingles_of(rows)
