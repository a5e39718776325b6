"""The text inside the real installation, and how docstrings are taken from code."""

import json
import subprocess
import sys

import pytest

from groundup.artifacts.documents import Document
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources import base, installed_docs
from groundup.curate.sources.docstrings import NotPythonError, literal_texts, module_docs
from groundup.curate.sources.installed_docs import InstalledDocs
from groundup.curate.sources.installed_licences import InstalledLicences

CODE = b'''
"""The module.

Example:
    indented
"""
import nothing_of_this_is_run
raise SystemExit

async def fetch(url: str, *, timeout: float = 1.5) -> bytes:
    """Fetch it."""
    def inner():
        """Left out."""

def undocumented(): ...

class Shape(Base, metaclass=Meta):
    """A shape.

    Second paragraph.
    """

    @property
    def area(self):
        """Its area."""

    class Inner:
        def only_method(self, /, a, *args, **kwargs):
            "One."

if True:
    def conditional(): "Under if."
else:
    def other(): "Under else."

try:
    pass
except ImportError:
    def fallback(): "Under except."

add_docstr(torch.abs, r"""
abs(x) -> Tensor

Takes {input} and {{braces}}.
""".format(**args))
cross = _add_docstr(_C.cross, "one " + "two")
add_newdoc("pkg.core", "array", ("T", """View."""))
add_docstr(a.b, computed)
add_docstr()
'''
TEXT = """The module.

Example:
    indented

async def fetch(url: str, *, timeout: float=1.5) -> bytes:
    Fetch it.

class Shape(Base, metaclass=Meta):
    A shape.

    Second paragraph.

    def area(self):
        Its area.

    class Inner:
        def only_method(self, /, a, *args, **kwargs):
            One.

def conditional():
    Under if.

def other():
    Under else.

def fallback():
    Under except.

torch.abs:
    abs(x) -> Tensor

    Takes {input} and {braces}.

_C.cross:
    one two

pkg.core.array.T:
    View."""


def test_docstrings_stand_under_their_signatures_in_order():
    assert module_docs(CODE) == TEXT


@pytest.mark.parametrize("code", [b"def f(:", b"\x00", b"(" * 1000, b"# coding: nonsense\n"])
def test_what_is_not_python_is_said(code):
    with pytest.raises(NotPythonError):
        module_docs(code)


def test_code_without_docstrings_is_empty():
    assert module_docs(b"x = 1\n") == ""
    assert module_docs(b"def f():\n    '\\w'\n") == "def f():\n    \\w"  # an invalid escape warns nobody


def test_literal_texts_are_read_without_running():
    assert literal_texts(b"topics = {'a': 'one ' 'two', 'b': 3}\nother = {}", "topics") == {"a": "one two"}
    assert literal_texts(b"topics = make()\n", "topics") == {}


@pytest.fixture(scope="module")
def docs() -> InstalledDocs:
    return InstalledDocs(SourceConfig(name="docs", kind="installed-docs"))


def test_installed_docs_finds_all_three_and_no_tests(docs):
    names = [file.name for file in docs.files()]
    assert {"python/json/__init__.py", "numpy/__init__.py", "torch/nn/modules/linear.py", "python/pydoc_data/topics.py"} <= set(
        names
    )
    assert not [
        name for name in names if "/test/" in name or "/tests/" in name or "site-packages" in name or "_internal/common" in name
    ]
    assert len(names) == len(set(names))
    assert sum(file.path.stat().st_size for file in docs.files()) > 40e6


def read_one(docs: InstalledDocs, name: str) -> list[Document | Drop]:
    return [found for file in docs.files() if file.name == name for found in docs.read(file)]


def test_a_module_is_a_document(docs):
    (document,) = read_one(docs, "python/json/__init__.py")
    assert document.id == "docs:json"
    assert "def dumps(obj, *, skipkeys=False" in document.text
    assert json.loads(document.meta) == {"file": "python/json/__init__.py"}
    (tensor,) = read_one(docs, "torch/_torch_docs.py")
    assert "torch.abs:" in tensor.text


def test_each_topic_is_a_document(docs):
    topics = read_one(docs, "python/pydoc_data/topics.py")
    assert len(topics) > 50
    assert {topic.id for topic in topics} > {"docs:topics.assert", "docs:topics.lambda"}


def test_a_module_that_is_no_python_is_a_drop(docs, tmp_path):
    path = tmp_path / "x.py"
    path.write_text("x is no python")
    (drop,) = docs.read(base.SourceFile("x.py", path))
    assert (drop.rule, drop.id) == ("not_python", "docs:x")


def test_numpy_alone_holds_more_than_a_megabyte(docs):
    numpy_files = [file for file in docs.files() if file.name.startswith("numpy/")]
    texts = [found.text for file in numpy_files for found in docs.read(file) if isinstance(found, Document)]
    assert sum(map(len, texts)) > 1_000_000


def test_reading_imports_nothing():
    code = """
import sys
from groundup.curate.config import SourceConfig
from groundup.curate.sources.installed_docs import InstalledDocs
from groundup.curate.sources.installed_licences import InstalledLicences
docs = InstalledDocs(SourceConfig(name="d", kind="installed-docs"))
licences = InstalledLicences(SourceConfig(name="l", kind="installed-licences"))
wanted = ("python/antigravity.py", "python/this.py", "numpy/matlib.py", "torch/nn/functional.py")
before = set(sys.modules)
assert len([f for file in docs.files() if file.name in wanted for f in docs.read(file)]) >= 2
assert list(licences.documents())
new = {name for name in set(sys.modules) - before if name.split(".")[0] in ("antigravity", "this", "numpy", "torch")}
assert not new and "torch" not in sys.modules, new
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_installed_licences_are_texts_with_their_package():
    source = InstalledLicences(SourceConfig(name="law", kind="installed-licences"))
    found = list(source.documents())
    ids = [document.id for document in found]
    assert len(ids) == len(set(ids)) == len(source.files())
    assert any(document_id.startswith("law:numpy/") for document_id in ids)
    assert any("Redistribution and use" in document.text for document in found if isinstance(document, Document))
    assert not [document_id for document_id in ids if "AUTHORS" in document_id]


def test_packages_that_are_missing_are_passed_over(docs, monkeypatch):
    monkeypatch.setattr(installed_docs, "PACKAGES", ("numpy", "no-such-package-at-all"))
    roots = {file.name.split("/")[0] for file in docs.files()}
    assert roots == {"python", "numpy"}
