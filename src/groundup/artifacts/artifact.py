"""The artifact on disk, opened and checked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from groundup.artifacts.manifest import Manifest, read_manifest
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import hash_file


@dataclass(frozen=True)
class Artifact:
    """A finished folder with its manifest. Subclasses add the readers of their kind."""

    path: Path
    manifest: Manifest
    kind: ClassVar[str] = "artifact"

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the artifact at `path`.

        Raises ArtifactError if it is unfinished, of another kind, or a listed file is missing or has another size.
        """
        manifest = read_manifest(path)
        if cls is not Artifact and manifest.kind != cls.kind:
            raise ArtifactError(f"{path}: is a '{manifest.kind}' artifact, expected '{cls.kind}'")
        artifact = cls(path, manifest)
        artifact.check_sizes()
        return artifact

    @property
    def content_hash(self) -> str:
        return self.manifest.content_hash

    def check_sizes(self) -> None:
        """Raise ArtifactError if a listed file is missing or has another size than the manifest says."""
        for name, entry in self.manifest.files.items():
            file = self.path / name
            if not file.is_file():
                raise ArtifactError(f"{file}: missing, though the manifest lists it; {REMAKE}")
            if file.stat().st_size != entry.bytes:
                raise ArtifactError(f"{file}: {file.stat().st_size:,} bytes, the manifest says {entry.bytes:,}; {REMAKE}")

    def check_whole(self) -> None:
        """Raise ArtifactError if a file is not the one that was written, byte for byte."""
        if damaged := self.damaged_files():
            raise ArtifactError(f"{self.path}: damaged: {', '.join(damaged)}; {REMAKE}")

    def damaged_files(self, max_bytes: float = math.inf) -> list[str]:
        """Return the files, of those up to `max_bytes`, whose bytes no longer have the hash of the manifest (reads them all)."""
        return [
            name
            for name, entry in self.manifest.files.items()
            if entry.bytes <= max_bytes and hash_file(self.path / name) != entry.sha256
        ]
