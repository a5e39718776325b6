"""The folder where an artifact is to be made: what lies there before."""

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from groundup.artifacts.manifest import MANIFEST, read_manifest
from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors

INCOMPLETE = ".groundup-incomplete.json"
TIMINGS = "timings.json"
SCRATCH = "scratch.partial"
"""Folder of what an interrupted making goes on from; no part of the artifact."""
_KEYS_OF_OURS = {MANIFEST: {"schema_version", "kind", "content_hash"}, TIMINGS: {"started_at", "elapsed_s", "host"}}


class Work(NamedTuple):
    """What was made, or is being made: the kind of artifact, and the key of its order."""

    kind: str
    key: str


@dataclass(frozen=True)
class Place:
    """What lies in a folder."""

    path: Path
    files: tuple[Path, ...]
    """All entries but the marker of unfinished work."""
    unfinished: Work | None
    finished: Work | None
    """The artifact whose manifest is there, though its files may be damaged."""
    made_from: Mapping[str, Any] = field(default_factory=dict)
    """What `Order.made_from` gave when it was made; empty where that is not known."""

    @property
    def work(self) -> Work | None:
        """What lies there, as far as it can be known."""
        return self.unfinished or self.finished

    def clear(self, keep_scratch: bool = False) -> None:
        """Remove all entries but the marker; the manifest first, so that a kill in between leaves no part that looks whole."""
        with storage_errors(self.path):
            (self.path / MANIFEST).unlink(missing_ok=True)
            for path in self.files:
                if keep_scratch and path.name == SCRATCH:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder; its marker last, so that a kill in between leaves what is known as unfinished."""
        self.clear()
        with storage_errors(self.path):
            (self.path / INCOMPLETE).unlink(missing_ok=True)
            self.path.rmdir()


def look(folder: Path) -> Place:
    """Return what lies in the folder, nothing if there is none; raise ArtifactError if it holds files that are not groundup's."""
    if not folder.exists():
        return Place(folder, (), None, None)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: is a file, and a folder is needed; choose another --out")
    with storage_errors(folder):
        files = tuple(sorted(path for path in folder.iterdir() if path.name != INCOMPLETE))
    marker = folder / INCOMPLETE
    if files and not marker.exists() and not _is_ours(folder):
        raise ArtifactError(f"{folder}: holds files that are not groundup's ({files[0].name}, ...); choose an empty --out")
    unfinished, finished = _marked(marker), _manifested(folder)
    return Place(folder, files, unfinished, finished, _made_from(_read(marker if unfinished else folder / MANIFEST)))


def _is_ours(folder: Path) -> bool:
    """Return whether groundup made what is there, with whatever schema version; the manifest itself may be damaged."""
    return any(keys <= _read(folder / name).keys() for name, keys in _KEYS_OF_OURS.items())


def _marked(marker: Path) -> Work | None:
    """Return the unfinished work that the marker tells of."""
    data = _read(marker)
    return Work(str(data["kind"]), str(data["key"])) if {"kind", "key"} <= data.keys() else None


def _manifested(folder: Path) -> Work | None:
    with contextlib.suppress(ArtifactError):
        manifest = read_manifest(folder)
        return Work(manifest.kind, manifest.key)
    return None


def _made_from(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a marker or a manifest says that the artifact was made from; nothing if it does not say it all."""
    inputs = record.get("inputs")
    if not {"config", "seed", "sources"} <= record.keys() or not isinstance(inputs, dict):
        return {}
    hashes = {name: entry.get("content_hash") if isinstance(entry, dict) else entry for name, entry in inputs.items()}
    return {"config": record["config"], "seed": record["seed"], "inputs": hashes, "sources": record["sources"]}


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file; an empty one if there is none."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        data = json.loads(path.read_bytes())
        return data if isinstance(data, dict) else {}
    return {}
