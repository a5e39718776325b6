"""Training on many processes is training on one."""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import equality
from modes import MODES, TASKS

SIZES = sorted({layout.world_size for layout in MODES.values()})


@pytest.mark.parametrize("size", SIZES)
def test_each_layout_ends_in_the_weights_of_one_process(size: int) -> None:
    """In float64, with uneven counts of targets and three micro-batches: what is wrong is off by far more than rounding."""
    given = argparse.Namespace(modes=",".join(MODES), tasks=",".join(TASKS), accumulate="3")
    rows = equality.run(size, given, "float64")
    expected = {(name, task) for name, layout in MODES.items() if layout.world_size == size for task in TASKS}
    assert {(row["mode"], row["task"]) for row in rows} == expected
    assert [row for row in rows if not equality.is_equal(row)] == []


def test_a_fault_is_far_from_one_process() -> None:
    """What a check of losses in float32 could miss: each planted fault fails the comparison by orders of magnitude."""
    rows = equality.launch(2, Path(equality.__file__).with_name("faults.py"))
    assert len(rows) == len({row["fault"] for row in rows}) >= 5
    far = 1e4 * equality.BOUNDS["float64"]
    assert [row for row in rows if max(row[what] for what in equality.COMPARED) < far] == []
