"""The documentation inside the Python installation: CPython's topics, docstrings of its library, of numpy and of torch."""

import os
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from groundup.artifacts.documents import Document
from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.docstrings import NotPythonError, literal_texts, module_docs

PACKAGES = ("numpy", "torch")
_TOPICS = "pydoc_data/topics.py"
_SKIPPED_FOLDERS = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})
_SKIPPED_PATHS = frozenset({"torch/testing/_internal"})
"""Test suites under another name."""


class InstalledDocs(Source):
    """One document a module, and one a topic of CPython's help; read as text and by `ast`, never imported.

    Ids are SOURCE:dotted.module and SOURCE:topics.TOPIC. Modules without docstrings give no document.
    """

    def files(self) -> list[SourceFile]:
        library = Path(sysconfig.get_path("stdlib"))
        found = [SourceFile(f"python/{name}", library / name) for name in _python_files(library, "")]
        for package in PACKAGES:
            try:
                parent = Path(str(distribution(package).locate_file("")))
            except PackageNotFoundError:
                continue
            found += [SourceFile(name, parent / name) for name in _python_files(parent / package, package)]
        if not found:
            raise DataError(f"source '{self.config.name}': no .py files under {library} nor in {', '.join(PACKAGES)}")
        return sorted(found, key=lambda file: _module(file.name))

    def read(self, file: SourceFile) -> Iterator[Document | Drop]:
        module_id = f"{self.config.name}:{_module(file.name)}"
        with storage_errors(file.path):
            code = file.path.read_bytes()
        if len(code) > self.max_record_bytes:
            yield self.too_long(module_id, len(code), file.name)
            return
        try:
            if file.name.endswith(_TOPICS):
                topics = literal_texts(code, "topics")
                for topic in sorted(topics):
                    yield self.make_document(f"{self.config.name}:topics.{topic}", topics[topic], file)
                return
            text = module_docs(code)
        except NotPythonError as error:
            yield self.reject(module_id, "not_python", f"{file.name}: {error}")
            return
        if text:
            yield self.make_document(module_id, text, file)


def _python_files(root: Path, prefix: str) -> Iterator[str]:
    """Yield the .py files under `root` with their path under it behind `prefix`, tests left out."""
    for folder, inner, names in os.walk(root):
        path = Path(prefix, Path(folder).relative_to(root))
        inner[:] = [name for name in inner if name not in _SKIPPED_FOLDERS and (path / name).as_posix() not in _SKIPPED_PATHS]
        yield from ((path / name).as_posix() for name in names if name.endswith(".py"))


def _module(name: str) -> str:
    """Return the dotted module of a file: 'python/json/__init__.py' is 'json'."""
    return name.removeprefix("python/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
