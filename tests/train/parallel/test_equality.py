"""Training on many processes is training on one."""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import equality
from modes import MODES, SHARED, TASKS, layout_of, with_optimizer

from groundup.train.optim.table import OPTIMIZERS

OF_EIGHT = "dp2 x pp2 x tp2"
"""Of the modes of eight processes: the others join the same parts, and are compared in the long form."""
OF_MUON = with_optimizer("zero2 2 x tp2", "muon")
"""Of the optimizers that bring parts of matrices together; all are in the long form."""


@pytest.mark.parametrize("size", [2, 4, 8])
def test_each_layout_ends_in_the_weights_of_one_process(size: int) -> None:
    """In float64, with uneven counts of targets and three micro-batches: what is wrong is off by far more than rounding."""
    names = [*MODES, OF_MUON]
    modes = [name for name in names if layout_of(name).world_size == size and (size < 8 or name == OF_EIGHT)]
    given = argparse.Namespace(modes=",".join(modes), tasks=",".join(TASKS), accumulate="3", one_task=True)
    rows = equality.run(size, given, "float64")
    assert [row["mode"] for row in rows] == modes
    assert size == 8 or {row["task"] for row in rows} == set(TASKS)
    assert [row for row in rows if not equality.is_equal(row)] == []


@pytest.mark.soak
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [2, 4, 8])
def test_each_layout_ends_in_the_weights_of_one_process_on_every_task(size: int, task: str, dtype: str) -> None:
    """The table of docs/parallel.md, in pieces of some minutes."""
    given = argparse.Namespace(modes=",".join(MODES), tasks=task, accumulate="1,3", one_task=False)
    rows = equality.run(size, given, dtype)
    assert {row["mode"] for row in rows} == {name for name, layout in MODES.items() if layout.world_size == size}
    assert [row for row in rows if not equality.is_equal(row)] == []


@pytest.mark.soak
@pytest.mark.parametrize("size", [4, 8])
def test_each_optimizer_learns_over_shards_of_parts_and_of_stages_what_it_learns_in_one_process(size: int) -> None:
    modes = [with_optimizer(mode, name) for name in OPTIMIZERS for mode in SHARED if layout_of(mode).world_size == size]
    given = argparse.Namespace(modes=",".join(modes), tasks="causal,masked", accumulate="3", one_task=False)
    rows = equality.run(size, given, "float64")
    assert {row["mode"] for row in rows} == set(modes)
    assert [row for row in rows if not equality.is_equal(row)] == []


def test_a_fault_is_far_from_one_process() -> None:
    """What a check of losses in float32 could miss: each planted fault fails the comparison by orders of magnitude."""
    rows = equality.launch(2, Path(equality.__file__).with_name("faults.py"))
    assert len(rows) == len({row["fault"] for row in rows}) >= 5
    far = 1e4 * equality.BOUNDS["float64"]
    assert [row for row in rows if max(row[what] for what in equality.COMPARED) < far] == []
