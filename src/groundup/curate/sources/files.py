"""A file or a folder of the user's text."""

import os
from collections.abc import Iterator
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.curate.config import FileFormat, SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.formats import FORMATS
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.parts import PART_BYTES, Piece


class Files(Source):
    """Files of the formats of the table; a folder is read with all below it but hidden files, sorted by name.

    With format 'auto' the ending of each file says what it is and files with other endings are passed over; any other format
    holds for all files of the folder.
    """

    def __init__(self, config: SourceConfig, part_bytes: int = PART_BYTES) -> None:
        super().__init__(config, part_bytes)
        self._formats: dict[FileFormat, Format] = {name: format_class(self) for name, format_class in FORMATS.items()}

    def files(self) -> list[SourceFile]:
        path = self.config.path
        assert path is not None, "the settings were not validated"
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path of source '{self.config.name}'")
        with storage_errors(path):
            found = [SourceFile(_name(Path(path.name)), path)] if path.is_file() else _walk(path)
        if not found:
            raise DataError(f"{path}: an empty folder; source '{self.config.name}' needs text in it")
        names = {file.name for file in found}
        if len(names) < len(found):
            raise DataError(f"{path}: two files have the same name once bytes that are not UTF-8 are written out; rename one")
        if self.config.format != "auto":
            return _regular(found)
        known = [file for file in found if _format_of(file.name) is not None and self._format(file).is_text(file)]
        if not known:
            endings = ", ".join(ending for format_class in FORMATS.values() for ending in format_class.endings)
            raise DataError(
                f"{path}: no file with a known ending ({found[0].name} has none of {endings}); "
                f"say format: {', '.join(FORMATS)} in source '{self.config.name}', or rename"
            )
        return _regular(known)

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        return self.read_piece(file, Piece(file.name), file.path.parent)

    def read_piece(self, file: SourceFile, piece: Piece, folder: Path) -> Iterator[Document | Drop]:
        return self._format(file).read(file, piece, folder)

    def text_bytes(self, file: SourceFile) -> int:
        return self._format(file).text_bytes(file)

    def is_divided(self, file: SourceFile) -> bool:
        return self._format(file).can_divide(file) and self.text_bytes(file) > self.part_bytes

    def cut(self, file: SourceFile, folder: Path) -> Iterator[tuple[Piece, int]]:
        return self._format(file).cut(file, folder)

    def find(self, name: str) -> SourceFile:
        """Return the file of that name, without walking the folder unless the name stands for one that is not UTF-8."""
        path = self.config.path
        assert path is not None, "the settings were not validated"
        path = path / name if path.is_dir() else path
        return SourceFile(name, path) if path.is_file() else super().find(name)

    def _format(self, file: SourceFile) -> Format:
        name = _format_of(file.name) if self.config.format == "auto" else self.config.format
        assert name is not None, f"{file.name} is not one of files()"
        return self._formats[name]


def _format_of(name: str) -> FileFormat | None:
    return next((key for key, format_class in FORMATS.items() if name.lower().endswith(format_class.endings)), None)


def _walk(root: Path) -> list[SourceFile]:
    """Return what lies below `root`, links to folders followed, no folder twice."""
    found, seen = [], {root.resolve()}
    for folder, inner, names in os.walk(root, onerror=_raise, followlinks=True):
        real = {Path(folder, name).resolve(): name for name in sorted(inner, reverse=True) if not name.startswith(".")}
        inner[:] = sorted(name for place, name in real.items() if place not in seen)
        seen |= real.keys()
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        found += [SourceFile(_name(path.relative_to(root)), path) for path in paths]
    return sorted(found, key=lambda file: file.name)


def _regular(files: list[SourceFile]) -> list[SourceFile]:
    """Return the files; raise DataError if one cannot hold text: a link that leads nowhere would be text that is missing unseen."""
    odd = [file.path for file in files if not file.path.is_file()]
    if odd:
        what = f"a link to {odd[0].readlink()}, which is not there" if odd[0].is_symlink() else "neither a file nor a folder"
        more = f" ({len(odd):,} such in all)" if len(odd) > 1 else ""
        raise DataError(f"{odd[0]}: {what}{more}; bring back what it stands for, or take it out of the folder")
    return files


def _raise(error: OSError) -> None:
    """Let a folder that cannot be read be an error: its text would be missing unseen."""
    raise error


def _name(path: Path) -> str:
    """Return the path as text that can be written as UTF-8; file systems allow names that are not, which stay different here."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")
