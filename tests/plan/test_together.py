"""Steps that all processes of a launch take for its plan."""

import pytest

import launches
import pace_worker
from groundup.train.parallel.config import Layout

LAYOUTS = {
    "dp": Layout(dp=2),
    "zero=1": Layout(dp=2, zero=1),
    "zero=3": Layout(dp=2, zero=3),
    "tp": Layout(tp=2),
    "cp": Layout(cp=2),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_ranks_time_two_depths_in_turn(name: str) -> None:
    """Each depth is a model of its own, whose gradients the ranks sum; the others take part as often as they are asked."""
    (found,) = launches.rows(2, pace_worker.__file__, [LAYOUTS[name].model_dump_json()])
    assert [len(times_s) for times_s in found["times_s"]] == [2, 2]
    assert min(min(times_s) for times_s in found["times_s"]) > 0
