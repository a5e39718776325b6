"""The licence texts of the installed packages: a small legal domain."""

import csv
import re
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile

_LICENCE_NAME = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)", re.IGNORECASE)
_NOT_TEXT = (".py", ".pyc", ".pyi", ".json", ".html")


class InstalledLicences(Source):
    """One document a licence, copying or notice file of a package's metadata, and CPython's own licence."""

    def files(self) -> list[SourceFile]:
        found = {file.name: file for distribution in distributions() for file in _licence_files(distribution)}
        for path in (Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), Path(sysconfig.get_config_var("prefix"), "LICENSE.txt")):
            if path.is_file():
                found["cpython/LICENSE.txt"] = SourceFile("cpython/LICENSE.txt", path)
        if not found:
            raise DataError(f"source '{self.config.name}': no installed package brings a licence text; take the source out")
        return sorted(found.values(), key=lambda file: file.name)

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        yield self.read_whole(f"{self.config.name}:{file.name}", file)


def _licence_files(distribution: Distribution) -> Iterator[SourceFile]:
    """Yield them as the installer's record lists them; most of its lines, which are those of code, are not even parsed."""
    record = distribution.read_text("RECORD") or ""
    for name, *_ in csv.reader(line for line in record.splitlines() if ".dist-info/" in line):
        entry = PurePosixPath(name)
        folder = entry.parts[0]
        if folder.endswith(".dist-info") and _LICENCE_NAME.match(entry.name) and entry.suffix.lower() not in _NOT_TEXT:
            path = Path(str(distribution.locate_file(name)))
            package = folder.removesuffix(".dist-info").rsplit("-", 1)[0].lower()
            if path.is_file():
                yield SourceFile(f"{package}/{'/'.join(entry.parts[1:])}", path)
