"""Make an artifact once: skip what is made, clear what a kill left behind, write the manifest last."""

import contextlib
import functools
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.manifest import (
    MANIFEST,
    FileEntry,
    InputEntry,
    Manifest,
    content_hash,
    make_key,
    read_manifest,
    write_manifest,
)
from groundup.core.config import Config
from groundup.core.errors import ArtifactError
from groundup.core.files import hash_file, locked, storage_errors, write_json

A = TypeVar("A", bound=Artifact)
INCOMPLETE = ".groundup-incomplete.json"
TIMINGS = "timings.json"


@dataclass(frozen=True)
class Outcome:
    """What a stage's `run` gives back beside the files it wrote."""

    counts: Mapping[str, int | float | str] = field(default_factory=dict)
    volatile: frozenset[str] = frozenset()
    """Relative paths of files that hold times or measured speeds, which the content hash leaves out."""


@dataclass(frozen=True)
class Order:
    """One piece of work: what to make, from what, where."""

    stage: str
    kind: str
    out: Path
    config: Config
    seed: int
    device: str = "auto"
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None
    resumable: bool = False
    """True if `run` continues from the files that an unfinished making with the same key left in `out`."""

    def key(self) -> str:
        hashes = {name: artifact.content_hash for name, artifact in self.inputs.items()}
        return make_key(self.stage, self.config.model_dump(mode="json"), self.seed, hashes, dict(self.sources))


@dataclass(frozen=True)
class Job:
    """What a stage's `run(config, job)` is given: where to write, what to read, and the seed and device to use."""

    out: Path
    seed: int = 0
    device: str = "auto"
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None

    def open(self, stage: str, kind: type[A]) -> A:
        """Return the input made by `stage`, opened as its kind."""
        return kind.open(self.inputs[stage].path)


def is_made(order: Order) -> bool:
    """Return whether `order.out` already holds exactly what the order would make."""
    try:
        artifact = Artifact.open(order.out)
    except ArtifactError:
        return False
    return artifact.manifest.key == order.key() and artifact.manifest.kind == order.kind


def make(order: Order, run: Callable[[Any, Job], Outcome], replace: bool, remake: bool = False) -> bool:
    """Make the artifact of `order` by calling `run(config, job)`; return False if it was made already and `remake` is false.

    Raises ArtifactError if `out` holds something else and `replace` is false, if `out` lies in an input or holds one, or if another
    process works on it.
    """
    if is_made(order) and not remake:
        return False
    _check_place(order)
    with locked(order.out):
        _prepare(order, replace, remake)
        started = datetime.now(UTC)
        start_s = time.monotonic()
        outcome = run(order.config, Job(order.out, order.seed, order.device, order.inputs, order.recipe))
        timings = {
            "started_at": started.isoformat(timespec="seconds"),
            "elapsed_s": round(time.monotonic() - start_s, 3),
            "host": platform.node(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        }
        write_json(order.out / TIMINGS, timings)
        seal(order, outcome)
        (order.out / INCOMPLETE).unlink(missing_ok=True)
    return True


def _check_place(order: Order) -> None:
    """Raise ArtifactError if making `order.out` would remove an input or write into one, or its name could not be recorded."""
    out = order.out.resolve()
    if os.fsencode(out) != str(out).encode(errors="replace"):
        raise ArtifactError(f"{order.out}: a name that is not UTF-8 cannot be recorded; choose another --out")
    for name, artifact in order.inputs.items():
        given = artifact.path.resolve()
        if out.is_relative_to(given) or given.is_relative_to(out):
            raise ArtifactError(f"{order.out}: overlaps its own input '{name}', {artifact.path}; choose another --out")


def _prepare(order: Order, replace: bool, remake: bool) -> None:
    """Leave `order.out` empty but for the marker, or as an earlier making of the same that can be resumed left it.

    Without `replace`, unfinished work of the same kind is only cleared if it is cheap: not where hours may lie in it.
    """
    marker = order.out / INCOMPLETE
    left_over = [path for path in order.out.iterdir() if path.name != INCOMPLETE]
    unfinished, finished = _marked_key(marker), _finished_key(order.out)
    if unfinished is None and left_over and not _is_artifact(order.out):
        raise ArtifactError(f"{order.out}: holds files that are not groundup's ({left_over[0].name}, ...); choose an empty --out")
    keep = order.resumable and not remake and (order.kind, order.key()) in (unfinished, finished)
    cheap = unfinished is not None and unfinished[0] == order.kind and not order.resumable
    if left_over and not (replace or keep or cheap):
        there = _what_is_there(order, unfinished, finished)
        raise ArtifactError(f"{order.out}: holds {there}; choose another --out, or --force to replace it")
    write_json(marker, {"kind": order.kind, "key": order.key()})
    if keep:
        (order.out / MANIFEST).unlink(missing_ok=True)
        return
    with storage_errors(order.out):
        (order.out / MANIFEST).unlink(missing_ok=True)
        for path in left_over:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _what_is_there(order: Order, unfinished: tuple[str, str] | None, finished: tuple[str, str] | None) -> str:
    kind, key = unfinished or finished or ("?", "")
    state = "an unfinished" if unfinished else "a damaged" if key == order.key() else "a"
    return f"{state} '{kind}' artifact" + (
        " made with other settings or inputs" if kind == order.kind and key != order.key() else ""
    )


def _finished_key(folder: Path) -> tuple[str, str] | None:
    """Return (kind, key) of the finished artifact in the folder, though its files may be damaged."""
    try:
        manifest = read_manifest(folder)
    except ArtifactError:
        return None
    return manifest.kind, manifest.key


def _is_artifact(folder: Path) -> bool:
    """Return whether the folder's manifest.json is one of groundup, of whatever schema version."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        data = json.loads((folder / MANIFEST).read_bytes())
        return isinstance(data, dict) and {"schema_version", "kind", "content_hash"} <= data.keys()
    return False


def _marked_key(marker: Path) -> tuple[str, str] | None:
    """Return (kind, key) of the unfinished making that the marker tells of."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(marker.read_bytes())
        return str(data["kind"]), str(data["key"])
    return None


def seal(order: Order, outcome: Outcome) -> None:
    """Hash the files in `order.out` and write its manifest: the artifact exists from then on."""
    with storage_errors(order.out):
        files = _entries(order.out, outcome.volatile)
    inputs = {
        name: InputEntry(
            kind=artifact.manifest.kind,
            path=os.path.relpath(artifact.path.resolve(), order.out.resolve()),
            content_hash=artifact.content_hash,
        )
        for name, artifact in order.inputs.items()
    }
    manifest = Manifest(
        kind=order.kind,
        stage=order.stage,
        key=order.key(),
        content_hash=content_hash(order.kind, files),
        seed=order.seed,
        config=order.config.model_dump(mode="json"),
        inputs=inputs,
        sources=dict(order.sources),
        counts=dict(outcome.counts),
        files=files,
        recipe=dict(order.recipe) if order.recipe is not None else None,
        groundup_version=version("groundup"),
        revision=_revision(),
    )
    write_manifest(order.out, manifest)


def _entries(folder: Path, volatile: frozenset[str]) -> dict[str, FileEntry]:
    entries = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in (INCOMPLETE, MANIFEST) and not name.endswith(".partial"):
            is_volatile = path.name == TIMINGS or name in volatile
            entries[name] = FileEntry(sha256=hash_file(path), bytes=path.stat().st_size, volatile=is_volatile)
    return entries


@functools.cache
def _revision() -> str | None:
    """Return the git commit of the code, if it runs from a checkout."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
