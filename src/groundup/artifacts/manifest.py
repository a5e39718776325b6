"""The manifest: what an artifact is, what it was made from, what it holds."""

import json
from pathlib import Path
from typing import Any

from groundup.core.config import Config
from groundup.core.errors import REMAKE, ArtifactError, ConfigError
from groundup.core.files import canonical_json, hash_json, read_object, write_json

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


class FileEntry(Config):
    """One file of an artifact."""

    sha256: str
    bytes: int
    volatile: bool = False
    """True for files that hold times or measured speeds: they are listed but are not part of the content hash."""


class InputEntry(Config):
    """One artifact that this one was made from."""

    kind: str
    path: str
    """Relative to this artifact's folder, so that a run's folder may be moved as a whole."""
    content_hash: str


class Manifest(Config):
    """Everything about an artifact but its data."""

    schema_version: int = SCHEMA_VERSION
    kind: str
    stage: str
    key: str
    """Hash of what decides the content: stage, config, seed, inputs. Equal keys need no second making."""
    content_hash: str
    seed: int
    config: dict[str, Any]
    inputs: dict[str, InputEntry]
    sources: dict[str, str]
    """Name -> hash of everything outside groundup that the stage read."""
    counts: dict[str, int | float | str]
    files: dict[str, FileEntry]
    recipe: dict[str, Any] | None
    groundup_version: str
    revision: str | None
    """Code revision (git), where known."""


def content_hash(kind: str, files: dict[str, FileEntry]) -> str:
    """Return the hash of an artifact's data: its kind and every file that is not volatile."""
    return hash_json({"kind": kind, "files": {name: entry.sha256 for name, entry in files.items() if not entry.volatile}})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; from this moment on the artifact exists."""
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))


def read_manifest(folder: Path) -> Manifest:
    """Return the folder's manifest.

    Raises ArtifactError if there is none, it is unreadable, or was written by another schema version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        state = "has no manifest.json, so its making was not finished" if folder.is_dir() else "does not exist"
        raise ArtifactError(f"{folder}: {state}; run the command that makes it (again)")
    data = read_object(path)
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ArtifactError(f"{path}: schema version {version!r}, this groundup reads {SCHEMA_VERSION}; {REMAKE}")
    try:
        return Manifest.parse(data, str(path))
    except ConfigError as error:
        raise ArtifactError(f"{error}; {REMAKE}") from None


def make_key(stage: str, config: dict[str, Any], seed: int, inputs: dict[str, str], sources: dict[str, str]) -> str:
    """Return the hash of all that decides a stage's result."""
    parts = {"schema": SCHEMA_VERSION, "stage": stage, "config": config, "seed": seed, "inputs": inputs, "sources": sources}
    return hash_json(json.loads(canonical_json(parts)))
