"""What a curation is working on: settings, seed, and the files between the passes."""

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundup.core.files import storage_errors
from groundup.curate.config import CurateConfig
from groundup.curate.sources import SOURCES
from groundup.curate.sources.base import Source
from groundup.curate.sources.parts import Part

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Work:
    """A curation; what the passes leave for each other lies in `scratch`, which is of these settings and sources alone."""

    config: CurateConfig
    seed: int
    scratch: Path
    memory_bytes: int
    """For sorting and comparing, in one process, about."""

    def folder(self, name: str, number: int) -> Path:
        """Return where a pass leaves what it made of one part."""
        return self.scratch / name / f"{number:06d}"

    def open_source(self, position: int) -> Source:
        return _open_source(self.config.model_dump_json(), position)


@dataclass(frozen=True)
class PartTask:
    """One part, for a pass to work on. Tasks are pickled: small, and all that a worker needs."""

    work: Work
    number: int
    """Of the part among all parts of all sources."""
    position: int
    """Of the source among the sources."""
    part: Part

    @property
    def read(self) -> "ReadPart":
        """What the first pass made of the part."""
        return ReadPart(self.work.folder("read", self.number))


@dataclass(frozen=True)
class ReadPart:
    """Files that the first pass writes: a table of the documents kept and one of those dropped, and arrays for comparing them."""

    folder: Path

    @property
    def rows(self) -> Path:
        return self.folder / "rows.arrow"

    @property
    def drops(self) -> Path:
        return self.folder / "drops.arrow"

    @property
    def edits(self) -> Path:
        """What rules about lines took out of the documents kept: a table."""
        return self.folder / "edits.arrow"

    @property
    def contamination(self) -> Path:
        return self.folder / "contamination.arrow"

    @property
    def tally(self) -> Path:
        return self.folder / "tally.json"

    @property
    def id_keys(self) -> Path:
        """128-bit hash of the id of every record, in order: uint64 [2, records]."""
        return self.folder / "id_keys.npy"

    @property
    def keys(self) -> Path:
        """128-bit hash of every kept text but for case and space: uint64 [2, documents]."""
        return self.folder / "keys.npy"

    @property
    def bands(self) -> Path:
        """Keys that near-duplicates share: uint64 [bands, documents]."""
        return self.folder / "bands.npy"

    @property
    def num_words(self) -> Path:
        """int64 [documents]."""
        return self.folder / "num_words.npy"

    @property
    def shingles(self) -> Path:
        """Sorted hashes of the shingles of every kept text, one after the other: uint64, no header."""
        return self.folder / "shingles.bin"

    @property
    def shingle_offsets(self) -> Path:
        """int64 [documents + 1]."""
        return self.folder / "shingle_offsets.npy"

    def shingles_of(self, rows: Numbers) -> Iterator[npt.NDArray[np.uint64]]:
        """Yield the shingles of some documents. They are read, not mapped: what is mapped counts as memory while it is."""
        offsets = 8 * np.load(self.shingle_offsets)
        with storage_errors(self.shingles), self.shingles.open("rb") as file:
            for begin, end in zip(offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True):
                yield np.frombuffer(os.pread(file.fileno(), end - begin, begin), np.uint64)


@functools.lru_cache(maxsize=4)
def _open_source(config: str, position: int) -> Source:
    """Return a source; a worker opens it once, as listing the files of a large folder takes its time."""
    settings = CurateConfig.model_validate_json(config)
    source = settings.sources[position]
    return SOURCES[source.kind](source, settings.part_bytes)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that gets its name `folder` when it is whole; what a kill left of an earlier one is removed."""
    partial = folder.with_name(f"{folder.name}.partial")
    with storage_errors(folder):
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file, one in memory at a time."""
    options = None
    with storage_errors(path), pa.memory_map(str(path.absolute())) as file:
        if columns is not None:
            schema = pa.ipc.open_file(file).schema
            options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
        reader = pa.ipc.open_file(file, options=options)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
