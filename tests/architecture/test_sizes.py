"""Files and functions stay small."""

import ast
from pathlib import Path

import pytest

import groundup

ROOT = Path(groundup.__file__).parent
TESTS = Path(__file__).parents[1]
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
EXCEPTIONS = {"train/loop.py:train": 120}


@pytest.mark.parametrize("file", sorted([*ROOT.rglob("*.py"), *TESTS.rglob("*.py")]), ids=lambda file: "/".join(file.parts[-3:]))
def test_sizes(file: Path) -> None:
    text = file.read_text()
    lines = text.count("\n")
    assert lines <= MAX_FILE_LINES, f"{file.name} has {lines} lines, the most is {MAX_FILE_LINES}: split it by what it does"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{file.relative_to(ROOT).as_posix()}:{node.name}" if file.is_relative_to(ROOT) else node.name
            most = EXCEPTIONS.get(name, MAX_FUNCTION_LINES)
            assert length <= most, f"{file.name}:{node.lineno} {node.name}() has {length} lines, the most is {most}"
