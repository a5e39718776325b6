"""The verbs as functions of the package."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import groundup
from groundup import api
from groundup.curate.config import CurateConfig

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", groundup.__all__)
def test_every_verb_is_a_function_with_a_docstring(name: str) -> None:
    assert callable(getattr(groundup, name))
    assert inspect.getdoc(getattr(api, name))


def test_a_stage_is_called_by_its_name_and_is_still_a_package(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Some words of text that are long enough to be kept. " * 20)
    config = CurateConfig.parse({"sources": [{"name": "own", "path": str(tmp_path / "texts")}], "rules": []}, "test")
    documents = groundup.curate(config, tmp_path / "out")  # type: ignore[operator]
    assert [document.id for document in documents.read("train")] == ["own:a.txt"]


def test_unknown_name_lists_the_verbs() -> None:
    with pytest.raises(AttributeError, match="its verbs: run"):
        _ = groundup.nonsense


def test_python_in_the_readme_names_what_exists() -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code
    for block in code:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "groundup":
                assert callable(getattr(groundup, node.attr))
