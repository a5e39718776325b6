import math
from itertools import pairwise
from typing import get_args

import pytest

from groundup.train.config import ScheduleConfig
from groundup.train.schedules import SCHEDULES, learning_rate

STEPS, PEAK, FLOOR = 100, 3e-3, 0.05


def rates(name: str, warmup: float = 0.1, steps: int = STEPS) -> list[float]:
    floor = {} if name == "constant" else {"floor": FLOOR}
    config = ScheduleConfig.parse({"name": name, "warmup_fraction": warmup, **floor}, "test")
    return [learning_rate(step, steps, PEAK, config) for step in range(steps)]


def test_table_equals_config() -> None:
    assert set(SCHEDULES) == set(get_args(ScheduleConfig.model_fields["name"].annotation))


@pytest.mark.parametrize("name", SCHEDULES)
def test_warms_up_in_equal_parts_to_the_peak_then_never_rises(name: str) -> None:
    values = rates(name)
    assert values[:11] == pytest.approx([PEAK * part / 11 for part in range(1, 12)])
    assert all(later <= earlier for earlier, later in pairwise(values[10:]))
    assert values[-1] == pytest.approx(PEAK if name == "constant" else PEAK * FLOOR)


def test_cosine_against_the_formula() -> None:
    values = rates("cosine")
    for step in range(10, STEPS):
        wanted = PEAK * FLOOR + 0.5 * (PEAK - PEAK * FLOOR) * (1 + math.cos(math.pi * (step - 10) / 89))
        assert values[step] == pytest.approx(wanted, rel=1e-12)


def test_linear_falls_by_the_same_amount() -> None:
    values = rates("linear")[10:]
    assert {round(a - b, 12) for a, b in pairwise(values)} == {round(PEAK * (1 - FLOOR) / 89, 12)}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_stay_in_range(name: str, warmup: float, steps: int) -> None:
    assert all(0 < value <= PEAK * (1 + 1e-12) for value in rates(name, warmup, steps))
