"""The lineage of an artifact: what it was made from, back to the source files."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from rich.text import Text
from rich.tree import Tree

from groundup.artifacts.aside import is_aside
from groundup.artifacts.manifest import MANIFEST, InputEntry, Manifest, content_hash, read_manifest
from groundup.artifacts.place import TIMINGS
from groundup.artifacts.shares import PARALLEL_FILE, Shares, read_shares
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import hash_file, hash_json, storage_errors
from groundup.core.units import format_bytes, format_count, format_seconds

SOURCES_FILE = "sources.jsonl"
RUN = "run"
SHORT_HASH_LEN = 12
_SHOWN_FILES = 3
_SHOWN_SETTINGS = 8
_SHOWN_PROCESSES = 8

State = Literal["ok", "repeated", "cycle", "changed", "missing", "unreadable", "damaged"]
BROKEN: frozenset[State] = frozenset({"cycle", "changed", "missing", "unreadable", "damaged"})


@dataclass(frozen=True)
class SourceFile:
    """One file outside groundup that text was read from."""

    source: str
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Lineage:
    """An artifact with everything it was made from.

    An artifact that several others were made from is unfolded once; elsewhere its state is 'repeated' and its inputs are left out.
    """

    name: str
    """What the artifact above calls this input: the name of the stage that made it."""
    path: Path
    state: State = "ok"
    problem: str | None = None
    """What is wrong, in words, where the state is one of BROKEN."""
    kind: str | None = None
    stage: str | None = None
    content_hash: str | None = None
    recorded_hash: str | None = None
    """Content hash that the artifact above was made from."""
    counts: Mapping[str, int | float | str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    elapsed_s: float | None = None
    version: str | None = None
    revision: str | None = None
    bytes: int = 0
    shares: Shares | None = None
    """What each of the processes did that made it, where they were many."""
    damaged_files: tuple[str, ...] = ()
    inputs: tuple["Lineage", ...] = ()
    sources: tuple[SourceFile, ...] = ()

    def walk(self) -> Iterator["Lineage"]:
        """Yield this node and all below it, parents first."""
        yield self
        for node in self.inputs:
            yield from node.walk()

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong here or below."""
        return [node.problem for node in self.walk() if node.problem is not None]


def lineage(path: Path, verify: bool = False) -> Lineage:
    """Return the lineage of the artifact at `path`, or of every stage of the run folder there.

    With `verify` every file is read again and compared with its hash. Raises ArtifactError if `path` is neither.
    """
    walker = _Walker(verify)
    if not (path / MANIFEST).is_file():
        stages = tuple(walker.visit(folder.name, folder, None, ()) for folder in stage_folders(path))
        if stages:
            total = hash_json({node.name: node.content_hash for node in stages})
            return Lineage(
                path.resolve().name, path, kind=RUN, content_hash=total, inputs=stages, bytes=sum(n.bytes for n in stages)
            )
    read_manifest(path)
    return walker.visit(path.resolve().name, path, None, ())


def stage_folders(run: Path) -> list[Path]:
    """Return the folders directly in `run` that hold a manifest, each after those it was made from.

    Those that were moved aside are left out. What a manifest that cannot be read was made from is not known; the folder is there
    all the same.
    """
    inputs: dict[str, list[str]] = {}
    for file in sorted(run.glob(f"*/{MANIFEST}")):
        inputs[file.parent.name] = []
        with contextlib.suppress(ArtifactError):
            manifest = read_manifest(file.parent)
            if is_aside(file.parent, manifest):
                del inputs[file.parent.name]
            else:
                inputs[file.parent.name] = sorted(manifest.inputs)
    graph = {name: [entry for entry in entries if entry in inputs] for name, entries in inputs.items()}
    try:
        return [run / name for name in TopologicalSorter(graph).static_order()]
    except CycleError:
        return [run / name for name in sorted(inputs)]


class _Walker:
    """Unfold each artifact once, whatever the shape of the graph."""

    def __init__(self, verify: bool) -> None:
        self._verify = verify
        self._seen: set[Path] = set()

    def visit(self, name: str, path: Path, recorded: InputEntry | None, above: tuple[Path, ...]) -> Lineage:
        here = path.resolve()
        recorded_hash = recorded.content_hash if recorded else None
        if here in above:
            return Lineage(name, path, "cycle", f"{path}: is made from itself", recorded_hash=recorded_hash)
        if not here.is_dir():
            problem = f"{path}: missing; '{name}' of this lineage was moved or removed"
            return Lineage(name, path, "missing", problem, recorded.kind if recorded else None, name, recorded_hash=recorded_hash)
        try:
            manifest = read_manifest(path)
        except ArtifactError as error:
            return Lineage(name, path, "unreadable", str(error), stage=name, recorded_hash=recorded_hash)
        if recorded_hash not in (None, manifest.content_hash):
            problem = (
                f"{path}: content hash is {short(manifest.content_hash)} now, it was {short(recorded_hash)} when the artifact "
                "above was made from it; run the line again"
            )
            return Lineage(name, path, "changed", problem, manifest.kind, manifest.stage, manifest.content_hash, recorded_hash)
        if here in self._seen:
            return Lineage(name, path, "repeated", None, manifest.kind, manifest.stage, manifest.content_hash, recorded_hash)
        self._seen.add(here)
        return self._unfold(name, path, manifest, recorded_hash, (*above, here))

    def _unfold(self, name: str, path: Path, manifest: Manifest, recorded_hash: str | None, above: tuple[Path, ...]) -> Lineage:
        damaged = _damaged(path, manifest, self._verify)
        inputs = tuple(self.visit(key, _input_path(path, entry), entry, above) for key, entry in manifest.inputs.items())
        return Lineage(
            name,
            path,
            state="damaged" if damaged else "ok",
            problem=f"{path}: damaged or missing: {', '.join(damaged)}; {REMAKE}" if damaged else None,
            kind=manifest.kind,
            stage=manifest.stage,
            content_hash=manifest.content_hash,
            recorded_hash=recorded_hash,
            counts=manifest.counts,
            config=manifest.config,
            seed=manifest.seed,
            elapsed_s=read_elapsed(path),
            version=manifest.groundup_version,
            revision=manifest.revision,
            bytes=sum(entry.bytes for entry in manifest.files.values()),
            shares=_read_shares(path),
            damaged_files=damaged,
            inputs=inputs,
            sources=read_sources(path),
        )


def _input_path(path: Path, entry: InputEntry) -> Path:
    """Return the input's folder, relative if `path` is and no symbolic link stands in the way."""
    near, there = Path(os.path.normpath(path / entry.path)), (path / entry.path).resolve()
    return near if near.resolve() == there else there


def _damaged(path: Path, manifest: Manifest, verify: bool) -> tuple[str, ...]:
    """Return the listed files that are missing, of another size or, if `verify`, of another hash."""
    damaged = [MANIFEST] if verify and content_hash(manifest.kind, manifest.files) != manifest.content_hash else []
    for name, entry in manifest.files.items():
        file = path / name
        whole = file.is_file() and file.stat().st_size == entry.bytes
        if not whole or (verify and hash_file(file) != entry.sha256):
            damaged.append(name)
    return tuple(damaged)


def read_elapsed(path: Path) -> float | None:
    """Return how long the artifact took to make [s], where known."""
    try:
        elapsed = json.loads((path / TIMINGS).read_bytes())["elapsed_s"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(elapsed) if isinstance(elapsed, int | float) else None


def _read_shares(path: Path) -> Shares | None:
    """Return what each process did, where known: it is no part of what the artifact is."""
    with contextlib.suppress(ArtifactError):
        return read_shares(path / PARALLEL_FILE)
    return None


def read_sources(path: Path) -> tuple[SourceFile, ...]:
    """Return the source files that the artifact names, none if it has no list of them."""
    file = path / SOURCES_FILE
    if not file.is_file():
        return ()
    sources = []
    with storage_errors(file):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            sources.append(SourceFile(str(row["source"]), str(row["file"]), str(row["sha256"]), int(row["bytes"])))
        except (ValueError, KeyError, TypeError):
            raise ArtifactError(f"{file}:{number}: not a source file's line; {REMAKE}") from None
    return tuple(sources)


def short(content_hash: str | None) -> str:
    """Return the start of a hash, enough for people to tell two apart."""
    return (content_hash or "?")[:SHORT_HASH_LEN]


def as_json(node: Lineage) -> dict[str, Any]:
    """Return the lineage as JSON values."""
    return {
        "name": node.name,
        "path": str(node.path),
        "state": node.state,
        "problem": node.problem,
        "kind": node.kind,
        "stage": node.stage,
        "content_hash": node.content_hash,
        "recorded_hash": node.recorded_hash,
        "counts": dict(node.counts),
        "config": dict(node.config),
        "seed": node.seed,
        "elapsed_s": node.elapsed_s,
        "groundup_version": node.version,
        "revision": node.revision,
        "bytes": node.bytes,
        "processes": node.shares.model_dump(mode="json") if node.shares else None,
        "damaged_files": list(node.damaged_files),
        "sources": [vars(source) for source in node.sources],
        "inputs": [as_json(child) for child in node.inputs],
    }


def render(node: Lineage) -> Tree:
    """Return the lineage as a tree for the terminal."""
    tree = Tree(_title(node), guide_style="dim")
    _fill(tree, node)
    return tree


def _fill(tree: Tree, node: Lineage) -> None:
    for line in _details(node):
        tree.add(line)
    for child in node.inputs:
        _fill(tree.add(_title(child)), child)


def _title(node: Lineage) -> Text:
    title = Text(_plain(node.stage or node.name), style="bold red" if node.state in BROKEN else "bold")
    if node.kind and node.kind != RUN:
        title.append(f"  {_plain(node.kind)}", style="cyan")
    title.append(f"  {short(node.content_hash or node.recorded_hash)}", style="yellow")
    title.append(f"  {_plain(str(node.path))}", style="not bold dim")
    if node.state == "repeated":
        title.append("  (unfolded above)", style="not bold dim")
    elif node.state != "ok":
        title.append(f"  {node.state}", style="bold red")
    return title


def _details(node: Lineage) -> Iterator[Text]:
    if node.problem:
        yield Text(_plain(node.problem), style="red")
    if node.counts:
        yield Text(", ".join(f"{_plain(name)} {_value(value)}" for name, value in node.counts.items()))
    if node.bytes:
        made = f", made in {format_seconds(node.elapsed_s)}" if node.elapsed_s is not None else ""
        by = f" by groundup {_plain(node.version)}" if node.version else ""
        yield Text(f"{format_bytes(node.bytes)}{made}{by}{f', seed {node.seed}' if node.seed is not None else ''}", style="dim")
    if node.shares:
        yield from _processes(node.shares)
    settings = [f"{key}={value}" for key, value in _flatten(node.config)]
    if settings:
        more = f", and {len(settings) - _SHOWN_SETTINGS} more (--json)" if len(settings) > _SHOWN_SETTINGS else ""
        yield Text(_plain(", ".join(settings[:_SHOWN_SETTINGS])) + more, style="dim")
    for name in sorted({source.source for source in node.sources}):
        files = [source for source in node.sources if source.source == name]
        size = format_bytes(sum(source.bytes for source in files))
        shown = ", ".join(f"{source.file} {short(source.sha256)}" for source in files[:_SHOWN_FILES])
        more = ", ..." if len(files) > _SHOWN_FILES else ""
        yield Text(_plain(f"source {name}: {len(files):,} files, {size}: {shown}{more}"), style="green")


def _processes(shares: Shares) -> Iterator[Text]:
    """Yield what the processes did, of many those that wait the least and the most."""
    yield Text(_plain(f"{len(shares.ranks):,} processes, {shares.layout}: {shares.summary()}"), style="magenta")
    for line in shares.lines(shares.some(_SHOWN_PROCESSES)):
        yield Text(_plain(line), style="dim")


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return _plain(value)
    return f"{value:,}" if isinstance(value, int) else format_count(value)


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values of nested settings; null is left out, lists are counted."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{prefix}{key}.")
        elif isinstance(inner, list) and any(isinstance(item, Mapping) for item in inner):
            yield f"{prefix}{key}", f"({len(inner)})"
        elif inner is not None:
            yield f"{prefix}{key}", json.dumps(inner, ensure_ascii=False) if isinstance(inner, list) else str(inner)


def _plain(text: str) -> str:
    """Return `text` without control characters, which could drive the terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
