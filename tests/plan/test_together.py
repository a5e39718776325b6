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
def test_two_depths_are_timed_in_turn_each_as_often_as_asked(name: str) -> None:
    """Each depth is a model of its own, whose gradients the ranks sum: steps of the deep one take longer."""
    (found,) = launches.rows(2, pace_worker.__file__, [LAYOUTS[name].model_dump_json()])
    assert len(found["times_s"]) == 2
    for shallow_s, deep_s in found["times_s"]:
        assert 0 < shallow_s < deep_s
