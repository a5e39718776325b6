"""A run that is shortened ends in time, at the end of its learning rate's course, without a jump on the way."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from groundup.core.errors import ConfigError
from groundup.plan.config import BudgetConfig
from groundup.train.course.config import FLOORED, ScheduleConfig
from groundup.train.course.schedules import SCHEDULES, learning_rate
from groundup.train.deadline import Deadline, place
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.hooks.lateness import Lateness
from groundup.train.state import Ending, RunState

STEPS = 200


def run_state() -> RunState:
    model = nn.Linear(1, 1)
    return RunState(model, torch.optim.SGD(model.named_parameters(), lr=1.0), Healing(HealingConfig()))


def simulate(
    step_s: Callable[[int], float], seconds: float, schedule: ScheduleConfig, steps: int = STEPS
) -> tuple[RunState, list[float], float, list[dict[str, Any]]]:
    """Return the run, the places of its updates, how long it took, and the decisions."""
    run, deadline, elapsed_s, places, events = run_state(), Deadline(steps, schedule, seconds), 0.0, [], []
    while run.step < deadline.end(run):
        places.append(deadline.place(run))
        elapsed_s += step_s(run.step)
        run.step += 1
        events += deadline.decide(run, elapsed_s)
    return run, places, elapsed_s, events


schedules = pytest.mark.parametrize("name", SCHEDULES)


@schedules
def test_a_run_in_time_is_not_touched(name: str) -> None:
    run, places, _, events = simulate(lambda _: 1.0, STEPS, ScheduleConfig(name=name))
    assert (run.step, run.ending, events) == (STEPS, None, [])
    assert places == list(range(STEPS))


@schedules
@pytest.mark.parametrize("slow_from", [0, 20, 100, 150, 185])
def test_a_slower_machine_ends_in_time_with_its_decay_finished(name: str, slow_from: int) -> None:
    schedule = ScheduleConfig(name=name)
    run, places, elapsed_s, events = simulate(lambda step: 2.0 if step >= slow_from else 1.0, STEPS, schedule)
    assert 0.9 * STEPS <= elapsed_s <= STEPS
    assert len(events) == 1
    assert events[-1]["to_steps"] == run.step == len(places) < STEPS
    rates = [learning_rate(where, STEPS, 1.0, schedule) for where in places]
    if name in FLOORED:
        assert rates[-1] == pytest.approx(schedule.floor)
    assert places == sorted(places)
    planned = [learning_rate(step, STEPS, 1.0, schedule) for step in range(STEPS)]
    steepest = max(abs(b - a) for a, b in pairwise(planned))
    left = STEPS - events[0]["step"]
    assert max(abs(b - a) for a, b in pairwise(rates)) <= steepest * left / (run.step - events[0]["step"]) * 1.5


def test_the_stable_phase_is_cut_and_the_decay_stays_whole() -> None:
    schedule = ScheduleConfig(name="wsd", decay_steps=30)
    _, places, _, _ = simulate(lambda _: 2.0, STEPS, schedule)
    assert places[-30:] == list(range(STEPS - 30, STEPS))
    assert places[-31] <= STEPS - 31


def test_time_that_is_over_leaves_one_step_at_the_floor() -> None:
    run, places, _, _ = simulate(lambda step: 1000.0 if step == 50 else 1.0, STEPS, ScheduleConfig())
    assert len(places) == run.step == 52
    assert places[-1] == STEPS - 1


@given(
    st.sampled_from(sorted(SCHEDULES)),
    st.lists(st.floats(0.5, 4.0), min_size=STEPS, max_size=STEPS),
    st.floats(60.0, 300.0),
)
def test_places_rise_to_the_last_one_however_uneven_the_steps(name: str, step_s: list[float], seconds: float) -> None:
    run, places, _, events = simulate(step_s.__getitem__, seconds, ScheduleConfig(name=name))
    assert all(a < b or (name == "wsd" and a == b) for a, b in pairwise(places))
    assert run.step == len(places)
    if name in FLOORED or not events:
        assert places[-1] == STEPS - 1


@schedules
def test_the_decision_is_part_of_the_state(name: str) -> None:
    schedule, run = ScheduleConfig(name=name), run_state()
    run.step, run.ending = 61, Ending(60, 59.0, 90)
    again = run_state()
    again.load(run.weights(), run.tensors(), run.facts())
    deadline = Deadline(STEPS, schedule)
    assert again.ending == run.ending
    assert deadline.end(again) == 90
    assert deadline.place(again) == deadline.place(run) == place(61, run.ending, STEPS, schedule)


def test_a_run_that_went_back_is_judged_anew() -> None:
    run, deadline = run_state(), Deadline(STEPS, ScheduleConfig(), 100.0)
    for step in (1, 2, 3, 4, 2, 3, 4, 5):
        run.step = step
        assert deadline.decide(run, 10.0 * step) == []
    run.step = 6
    (event,) = deadline.decide(run, 60.0)
    assert event["to_steps"] == 9


def test_enforce_without_minutes_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"enforce=true .* minutes"):
        BudgetConfig.parse({"tokens": 1000, "enforce": True}, "test")


@pytest.mark.parametrize(("step_s", "said"), [(1.0, 0), (1.2, 0), (1.3, 1)])
def test_a_late_run_is_told_once(step_s: float, said: int, capsys: pytest.CaptureFixture[str]) -> None:
    hook = Lateness(100, planned_s=100.0)
    for step in range(1, 101):
        assert hook({"step": step, "elapsed_s": step * step_s}) is None
    assert " ".join(capsys.readouterr().err.split()).count("1m 40s were planned; budget.enforce=true would end it in time") == said
