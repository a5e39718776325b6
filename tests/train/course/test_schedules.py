import math
from itertools import pairwise
from typing import Any, get_args

import pytest

from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.course.config import FLOORED, ScheduleConfig
from groundup.train.course.schedules import SCHEDULES, learning_rate

STEPS, PEAK, FLOOR = 100, 3e-3, 0.05


def schedule(name: str, **settings: Any) -> ScheduleConfig:
    floor = {"floor": FLOOR} if name in FLOORED else {}
    return ScheduleConfig.parse({"name": name, **floor, **settings}, "test")


def rates(name: str, warmup: float = 0.1, steps: int = STEPS, **settings: Any) -> list[float]:
    config = schedule(name, warmup_fraction=warmup, **settings)
    return [learning_rate(step, steps, PEAK, config) for step in range(steps)]


def test_table_equals_config() -> None:
    assert set(SCHEDULES) == set(get_args(ScheduleConfig.model_fields["name"].annotation))


@pytest.mark.parametrize("name", SCHEDULES)
def test_warms_up_in_equal_parts_to_the_peak_then_never_rises(name: str) -> None:
    values = rates(name)
    assert values[:11] == pytest.approx([PEAK * part / 11 for part in range(1, 12)])
    assert all(later <= earlier for earlier, later in pairwise(values[10:]))


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_last_step_has_the_floor_where_there_is_one(name: str) -> None:
    ends = {"constant": PEAK, "inverse_sqrt": PEAK * math.sqrt(11 / 100)}
    assert rates(name)[-1] == pytest.approx(ends.get(name, PEAK * FLOOR), rel=1e-12)


def test_cosine_against_the_formula() -> None:
    values = rates("cosine")
    for step in range(10, STEPS):
        wanted = PEAK * FLOOR + 0.5 * (PEAK - PEAK * FLOOR) * (1 + math.cos(math.pi * (step - 10) / 89))
        assert values[step] == pytest.approx(wanted, rel=1e-12)


def test_linear_falls_by_the_same_amount() -> None:
    values = rates("linear")[10:]
    assert {round(a - b, 12) for a, b in pairwise(values)} == {round(PEAK * (1 - FLOOR) / 89, 12)}


def test_inverse_sqrt_is_the_transformers_schedule() -> None:
    """Vaswani et al. 2017, equation 3: min(t^-0.5, t w^-1.5) for t from 1 on, here with the peak at t = w."""
    values = [learning_rate(step, STEPS, PEAK, schedule("inverse_sqrt", warmup_steps=15)) for step in range(STEPS)]
    scale = PEAK * math.sqrt(16)
    assert values == pytest.approx([scale * min(t**-0.5, t * 16**-1.5) for t in range(1, STEPS + 1)], rel=1e-12)


@pytest.mark.parametrize(("shape", "power"), [("sqrt", 0.5), ("linear", 1.0)])
def test_wsd_holds_the_peak_then_decays_to_the_floor(shape: str, power: float) -> None:
    values = rates("wsd", decay_fraction=0.2, decay_shape=shape)
    assert values[10:80] == [PEAK] * 70
    for done in range(1, 21):
        wanted = PEAK * (FLOOR + (1 - FLOOR) * (1 - (done / 20) ** power))
        assert values[79 + done] == pytest.approx(wanted, rel=1e-12)


def test_wsd_before_its_decay_does_not_depend_on_the_length_of_the_run() -> None:
    config = schedule("wsd", warmup_steps=7, decay_steps=20)
    short, long = ([learning_rate(step, steps, PEAK, config) for step in range(steps)] for steps in (60, 100))
    assert short[:40] == long[:40]
    assert short[40:] == long[80:]


def test_settings_in_steps_equal_those_in_fractions() -> None:
    config = schedule("wsd", warmup_steps=10, decay_steps=20)
    assert [learning_rate(step, STEPS, PEAK, config) for step in range(STEPS)] == rates("wsd", decay_fraction=0.2)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_stay_in_range(name: str, warmup: float, steps: int) -> None:
    values = rates(name, warmup, steps)
    assert all(0 < value <= PEAK * (1 + 1e-12) for value in values)
    assert name not in FLOORED or steps == 1 or round(warmup * steps) >= steps - 1 or values[-1] == pytest.approx(PEAK * FLOOR)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "constant", "floor": 0.1}, r"never comes down to a floor, so floor=0\.1 .* leave floor out"),
        ({"name": "inverse_sqrt", "floor": 0.1}, "never comes down"),
        ({"decay_fraction": 0.2}, r"name=cosine has no separate decay, so decay_fraction=0\.2"),
        ({"name": "wsd", "decay_steps": 5, "decay_fraction": 0.2}, "decay_steps=5 says how long"),
        ({"warmup_steps": 5, "warmup_fraction": 0.2}, "warmup_steps=5 says how long"),
        ({"name": "wsd", "warmup_fraction": 0.6, "decay_fraction": 0.5}, r"0\.6 and decay_fraction=0\.5 are more than all"),
    ],
)
def test_a_setting_without_effect_is_an_error(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ScheduleConfig.parse(settings, "recipe")


@pytest.mark.parametrize("settings", [{}, {"name": "constant"}, {"name": "wsd", "decay_steps": 9}, {"warmup_steps": 3}])
def test_what_was_written_can_be_read(settings: dict[str, Any]) -> None:
    config = ScheduleConfig.parse(settings, "recipe")
    assert ScheduleConfig.parse(config.model_dump(mode="json"), "again") == config


def test_a_schedule_longer_than_the_run_is_told_with_the_recipe() -> None:
    with pytest.raises(ConfigError, match=r"warmup_steps=80 and .*decay_steps=40 .* take 120 steps, the run has 100"):
        TrainConfig.parse({"steps": 100, "schedule": {"name": "wsd", "warmup_steps": 80, "decay_steps": 40}}, "recipe")
