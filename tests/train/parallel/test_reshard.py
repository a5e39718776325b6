"""A run goes on in any layout from a checkpoint of any other."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import reshard

FEW = ("one", "ddp 2", "zero3 2")
DIVIDED = ("one", "zero1 2 x tp2", "pp2 x zero1 2")
"""Rows of parts of matrices, and of stages."""


@pytest.mark.parametrize(
    "layouts",
    [FEW, pytest.param(DIVIDED, marks=pytest.mark.soak), pytest.param(reshard.LAYOUTS, marks=pytest.mark.soak)],
    ids=["few", "divided", "all"],
)
def test_goes_on_as_if_not_interrupted(tmp_path: Path, layouts: tuple[str, ...]) -> None:
    found = reshard.cells(tmp_path, layouts, layouts)
    assert {(cell["saved"], cell["loaded"]) for cell in found} == {(source, name) for source in layouts for name in layouts}
    assert [cell for cell in found if not reshard.difference(cell) <= reshard.BOUND] == []
