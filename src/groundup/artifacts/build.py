"""Make an artifact once: skip what is made, clear what a kill left behind, write the manifest last."""

import functools
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
from groundup.artifacts.differences import differences
from groundup.artifacts.manifest import (
    MANIFEST,
    FileEntry,
    InputEntry,
    Manifest,
    content_hash,
    make_key,
    write_manifest,
)
from groundup.artifacts.place import INCOMPLETE, SCRATCH, TIMINGS, Place, Work, look
from groundup.core.config import Config
from groundup.core.engines.base import Workers
from groundup.core.errors import ArtifactError
from groundup.core.files import hash_file, locked, storage_errors, write_json

A = TypeVar("A", bound=Artifact)
SMALL_FILE_BYTES = 1 << 20
"""Files up to this size are hashed before a stage is skipped: decisions and reports, not data."""


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
    workers: Workers = field(default_factory=Workers)
    parallel: Config | str | None = None
    """How the work lies on many processes: it changes how it is done, not what is made."""
    besides: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are no part of `config` and decide what is made, as JSON."""

    def made_from(self) -> dict[str, Any]:
        """Return all that decides what is made: config, seed, content hashes of inputs, hashes of sources."""
        hashes = {name: artifact.content_hash for name, artifact in self.inputs.items()}
        settings = self.config.model_dump(mode="json") | dict(self.besides)
        return {"config": settings, "seed": self.seed, "inputs": hashes, "sources": dict(self.sources)}

    def key(self) -> str:
        return make_key(self.stage, **self.made_from())

    def work(self) -> Work:
        return Work(self.kind, self.key())

    def job(self) -> "Job":
        return Job(self.out, self.seed, self.device, self.inputs, self.recipe, self.workers, self.key(), self.parallel)


@dataclass(frozen=True)
class Job:
    """What a stage's `run(config, job)` is given: where to write, what to read, and the seed, device and workers to use."""

    out: Path
    seed: int = 0
    device: str = "auto"
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None
    workers: Workers = field(default_factory=Workers)
    key: str = ""
    """Of the order: differs whatever of what is made could."""
    parallel: Config | str | None = None

    @property
    def scratch(self) -> Path:
        """Folder for parts of the work, named by what decides their content: it stays until the artifact is whole.

        What an interrupted making of the same kind left there is still there; the stage tells what of it is of use.
        """
        return self.out / SCRATCH

    def open(self, stage: str, kind: type[A]) -> A:
        """Return the input made by `stage`, opened as its kind."""
        return kind.open(self.inputs[stage].path)


def begin(order: Order, replace: bool) -> Job:
    """Leave `order.out` as `make` would before it calls `run`: for parts of the work that others do before it is called."""
    with locked(order.out):
        _prepare(order, replace, remake=False)
    return order.job()


def is_made(order: Order) -> bool:
    """Return whether `order.out` already holds exactly what the order would make; of large files only the size is compared."""
    try:
        artifact = Artifact.open(order.out)
    except ArtifactError:
        return False
    return Work(artifact.manifest.kind, artifact.manifest.key) == order.work() and not artifact.damaged_files(SMALL_FILE_BYTES)


def make(order: Order, run: Callable[[Any, Job], Outcome], replace: bool, remake: bool = False) -> bool:
    """Make the artifact of `order` by calling `run(config, job)`; return False if it was made already and `remake` is false.

    Raises ArtifactError if `out` holds something else and `replace` is false, if `out` lies in an input or holds one, or if another
    process works on it.
    """
    if is_made(order) and not remake:
        if (order.out / INCOMPLETE).exists():
            with locked(order.out):
                _tidy(order.out)
        return False
    _check_apart(order)
    with locked(order.out):
        _prepare(order, replace, remake)
        started = datetime.now(UTC)
        start_s = time.monotonic()
        outcome = run(order.config, order.job())
        timings = {
            "started_at": started.isoformat(timespec="seconds"),
            "elapsed_s": round(time.monotonic() - start_s, 3),
            "host": platform.node(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        }
        write_json(order.out / TIMINGS, timings)
        seal(order, outcome)
        _tidy(order.out)
    return True


def _tidy(out: Path) -> None:
    """Remove what only the making of the artifact needed."""
    with storage_errors(out):
        if (out / SCRATCH).exists():
            shutil.rmtree(out / SCRATCH)
        (out / INCOMPLETE).unlink(missing_ok=True)


def _check_apart(order: Order) -> None:
    """Raise ArtifactError if making `order.out` would remove an input or write into one, or its name could not be recorded."""
    out = order.out.resolve()
    if os.fsencode(out) != str(out).encode(errors="replace"):
        raise ArtifactError(f"{order.out}: a name that is not UTF-8 cannot be recorded; choose another --out")
    for name, artifact in order.inputs.items():
        given = artifact.path.resolve()
        if out.is_relative_to(given) or given.is_relative_to(out):
            raise ArtifactError(f"{order.out}: overlaps its own input '{name}', {artifact.path}; choose another --out")


def check(order: Order, replace: bool, remake: bool) -> Place:
    """Return what lies in `order.out`; raise ArtifactError where `make` would refuse to touch it. Nothing is changed.

    Without `replace`, unfinished work of the same kind is only cleared if it is cheap: not where hours may lie in it.
    """
    _check_apart(order)
    place = look(order.out)
    cheap = place.unfinished is not None and place.unfinished.kind == order.kind and not order.resumable
    if place.files and not (replace or cheap or goes_on(order, place, remake)):
        raise ArtifactError(f"{order.out}: holds {_what_is_there(order, place)}; {_way_out(order, place)}")
    return place


def goes_on(order: Order, place: Place, remake: bool) -> bool:
    """Return whether making the order goes on from what lies there."""
    return order.resumable and not remake and order.work() in (place.unfinished, place.finished)


def _prepare(order: Order, replace: bool, remake: bool) -> None:
    """Leave `order.out` empty but for the marker and the scratch of unfinished work, or as a making to be resumed left it."""
    place = check(order, replace, remake)
    write_json(order.out / INCOMPLETE, order.work()._asdict() | order.made_from())
    if goes_on(order, place, remake):
        (order.out / MANIFEST).unlink(missing_ok=True)
    else:
        place.clear(keep_scratch=takes_up(order, place, remake))


def takes_up(order: Order, place: Place, remake: bool) -> bool:
    """Return whether parts of the work that an interrupted making left are there for this one."""
    is_same_kind = place.unfinished is not None and place.unfinished.kind == order.kind
    return is_same_kind and not remake and (place.path / SCRATCH).exists()


def _what_is_there(order: Order, place: Place) -> str:
    if place.work is None:
        return f"an artifact whose {MANIFEST} is damaged or missing"
    kind, key = place.work
    state = "an unfinished" if place.unfinished else "a damaged" if key == order.key() else "a"
    if kind != order.kind or key == order.key():
        return f"{state} '{kind}' artifact"
    differing = differences(order.stage, place.made_from, order.made_from()) if place.made_from else ""
    return f"{state} '{kind}' artifact made with other settings or inputs{f' ({differing})' if differing else ''}"


def _way_out(order: Order, place: Place) -> str:
    beside = " beside it, which takes over what both do alike" if order.resumable else ""
    return f"choose another --out{beside}, or --force to replace it"


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
        if name not in (INCOMPLETE, MANIFEST) and not name.endswith(".partial") and not name.startswith(SCRATCH + "/"):
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
