"""A data set of the Hugging Face Hub, read by streaming: an optional dependency."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError, MissingExtraError
from groundup.core.files import hash_file, hash_json, storage_errors, write_bytes
from groundup.core.lazy import lazy
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.formats.jsonl import JsonLines
from groundup.curate.sources.formats.records import KEPT_FIELDS
from groundup.curate.sources.lines import piece_path
from groundup.curate.sources.parts import Piece, read_index, scratch_of, write_index

huggingface_hub = lazy("huggingface_hub")
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


class Hub(Source):
    """One document a row. Each shard of the data set is a file; it is streamed once into the scratch folder, as JSON Lines.

    The revision is looked up when the source is opened and is part of its fingerprint: a data set that has changed is another
    source. Raises DataError if the Hub cannot be reached.
    """

    def files(self) -> list[SourceFile]:
        total = self._stream.num_shards
        folder = "/".join(
            filter(None, (Path(self._dataset).name if self._is_local else self._dataset, self.config.subset, self._split))
        )
        names = (f"{folder}/{index:05d}-of-{total:05d}" for index in range(total))
        return [SourceFile(name, Path(name)) for name in names]

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        raise AssertionError("a shard is read in the pieces that divide() made")

    def fingerprint(self) -> str:
        return hash_json([self.config.dataset, self.config.subset, self._split, self._revision])

    def lineage(self) -> Iterator[dict[str, str | int]]:
        for file in self.files():
            yield {"source": self.config.name, "file": file.name, "revision": self._revision}

    def text_bytes(self, file: SourceFile) -> int:
        return self.part_bytes

    def is_divided(self, file: SourceFile) -> bool:
        return True

    def divide(self, file: SourceFile, scratch: Path) -> list[tuple[Piece, int]]:
        """Return the pieces of a shard, streamed now or by an earlier call; a kill costs the shards that were not finished."""
        folder = scratch_of(scratch, self.config.name, file.name)
        stamp: list[int | str] = [self._revision, self.part_bytes]
        known = read_index(folder, stamp)
        if known is None:
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            known = list(self.cut(file, folder))
            write_index(folder, stamp, known)
        return known

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        index, total = (int(number) for number in file.name.rpartition("/")[2].split("-of-"))
        columns = (self.config.text_field, *KEPT_FIELDS)
        lines: list[bytes] = []
        start = first = size = 0
        for row in self._rows(index, total):
            record = {name: row[name] for name in columns if name in row}
            lines.append(orjson.dumps(record, default=str, option=_LINE))
            size += len(lines[-1])
            if size >= self.part_bytes:
                yield self._write(lines, Piece(file.name, start, start + size, first, unpacked=True), folder), size
                start, first, size, lines = start + size, first + len(lines), 0, []
        if lines or not start:
            yield self._write(lines, Piece(file.name, start, start + size, first, unpacked=True), folder), size

    def read_piece(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        return JsonLines(self).read(file, piece, folder)

    def _write(self, lines: list[bytes], piece: Piece, folder: Path) -> Piece:
        write_bytes(piece_path(folder, piece), b"".join(lines))
        return piece

    @property
    def _split(self) -> str:
        return self.config.split or "train"

    def _rows(self, index: int, total: int) -> Iterator[dict[str, Any]]:
        rows = iter(self._stream.shard(num_shards=total, index=index))
        while True:
            try:
                row = next(rows, None)
            except Exception as error:
                raise self._unreachable(error) from error
            if row is None:
                return
            yield row

    @cached_property
    def _stream(self) -> Any:
        try:
            from datasets import load_dataset
        except ImportError:
            raise MissingExtraError(f"source '{self.config.name}' needs datasets: pip install 'groundup[hf]'") from None
        try:
            revision = None if self._is_local else self._revision
            return load_dataset(self._dataset, self.config.subset, split=self._split, revision=revision, streaming=True)
        except Exception as error:
            raise self._unreachable(error) from error

    @cached_property
    def _revision(self) -> str:
        """The commit that is read; of a folder the hash of its files."""
        if self._is_local:
            files = sorted(path for path in Path(self._dataset).rglob("*") if path.is_file())
            return hash_json([(path.relative_to(self._dataset).as_posix(), hash_file(path)) for path in files])
        try:
            return str(huggingface_hub.HfApi().dataset_info(self._dataset, revision=self.config.revision).sha)
        except Exception as error:
            raise self._unreachable(error) from error

    @property
    def _dataset(self) -> str:
        assert self.config.dataset is not None, "the settings were not validated"
        return self.config.dataset

    @property
    def _is_local(self) -> bool:
        return Path(self._dataset).is_dir()

    def _unreachable(self, error: Exception) -> DataError:
        why = " ".join(str(error).split()) or type(error).__name__
        return DataError(
            f"source '{self.config.name}': data set {self._dataset} ({self._split}) cannot be read: {why}; check name, subset, "
            "split and the connection, or save it where there is one and read the folder with kind: files"
        )
