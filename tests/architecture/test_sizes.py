"""Files and functions stay small."""

import ast
from pathlib import Path

import pytest

import groundup

ROOT = Path(groundup.__file__).parent
TESTS = Path(__file__).parents[1]
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
STRICTER = {"train/loop.py": 119, "train/": 250}
"""Paths below the package whose files are held shorter; the first that fits counts. The loop is to be read aloud."""


@pytest.mark.parametrize("file", sorted([*ROOT.rglob("*.py"), *TESTS.rglob("*.py")]), ids=lambda file: "/".join(file.parts[-3:]))
def test_sizes(file: Path) -> None:
    text = file.read_text()
    lines = text.count("\n")
    most = most_lines(file)
    assert lines <= most, f"{file.name} has {lines} lines, the most is {most}: split it by what it does"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, (
                f"{file.name}:{node.lineno} {node.name}() has {length} lines, the most is {MAX_FUNCTION_LINES}"
            )


def most_lines(file: Path) -> int:
    """Return how many lines the file may have."""
    path = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
    return next((lines for start, lines in STRICTER.items() if path.startswith(start)), MAX_FILE_LINES)


def test_the_training_engine_is_held_shorter() -> None:
    assert [most_lines(ROOT / path) for path in ("train/loop.py", "train/optim/muon.py", "plan/derive.py")] == [119, 250, 500]
    assert all((ROOT / path).exists() for path in STRICTER)
