import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course

RAMP = {"start_tokens": 32, "over_tokens": 480}


def course(steps: int = 50, **changes: Any) -> Course:
    return Course(TrainConfig.parse({"seq_len": 16, "batch_tokens": 128, **changes}, "test"), steps, peak=1.0)


def sizes(made: Course) -> list[int]:
    return [made.at(step).windows for step in range(made.steps)]


def test_without_settings_all_steps_are_alike() -> None:
    made = course()
    assert sizes(made) == [8] * 50
    assert len(made.phases) == 1
    assert {made.at(step).seq_len for step in range(50)} == {16}
    assert made.at(7).first_window == 56


def test_the_batch_grows_in_equal_parts_of_the_tokens() -> None:
    """480 tokens over sizes of 32, 64 and 96: 160 at each, which 5, 3 (at 352 tokens) and 2 (at 544) steps reach."""
    assert sizes(course(batch_ramp=RAMP))[:12] == [2] * 5 + [4] * 3 + [6] * 2 + [8] * 2


@given(start=st.integers(1, 5), increments=st.integers(1, 6), increment=st.integers(1, 4), over=st.integers(1, 5000))
@settings(deadline=None, max_examples=60)
def test_every_window_is_counted_once_and_the_ramp_follows_the_line(start: int, increments: int, increment: int, over: int) -> None:
    whole = start + increments * increment
    ramp = {"start_tokens": 16 * start, "increment_tokens": 16 * increment, "over_tokens": over}
    made = course(steps=200, batch_tokens=16 * whole, batch_ramp=ramp)
    seen = 0
    for step, size in enumerate(sizes(made)):
        assert made.at(step).first_window == made.windows_before(step) == seen
        line = min(16 * seen * increments // over, increments)
        assert size == start + increment * line
        seen += size


@pytest.mark.parametrize(("rate", "power"), [("none", 0), ("sqrt", 0.5), ("linear", 1)])
def test_the_rate_follows_the_batch(rate: str, power: float) -> None:
    plain, ramped = course(), course(batch_ramp={**RAMP, "rate": rate})
    for step, size in enumerate(sizes(ramped)):
        assert ramped.learning_rate(step) == pytest.approx(plain.learning_rate(step) * (size / 8) ** power, rel=1e-12)


def test_rows_grow_at_shares_of_the_tokens() -> None:
    lengths = [{"seq_len": 4, "until_fraction": 0.2}, {"seq_len": 8, "until_fraction": 0.5}]
    made = course(lengths=lengths, batch_ramp=RAMP)
    total = made.windows_before(50)
    for step in range(50):
        share = made.windows_before(step) / total
        assert made.at(step).seq_len == (4 if share < 0.2 else 8 if share < 0.5 else 16)
    assert sizes(made) == sizes(course(batch_ramp=RAMP))


def test_rows_grow_at_numbers_of_tokens() -> None:
    made = course(lengths=[{"seq_len": 8, "until_tokens": 300}])
    assert [made.at(step).seq_len for step in range(5)] == [8, 8, 8, 16, 16]


def test_mixtures_begin_where_they_are_told() -> None:
    made = course(mixture=[{"from_fraction": 0.5, "weights": {"a": 2.0}}, {"from_step": 40, "weights": {"a": 0.0, "b": 3.0}}])
    assert made.mixture_steps == (25, 40)
    assert [(window, dict(weights)) for window, weights in made.mixtures] == [(200, {"a": 2.0}), (320, {"a": 0.0, "b": 3.0})]
    assert [len(made.at(step).weights) for step in (24, 25, 39, 40)] == [0, 1, 1, 3]


def test_phases_are_where_anything_changes() -> None:
    made = course(batch_ramp=RAMP, lengths=[{"seq_len": 8, "until_tokens": 1000}], mixture=[{"from_step": 30, "weights": {"a": 0}}])
    steps = [made.at(step) for step in range(50)]
    changes = [later for later, pair in enumerate(pairwise(steps), start=1) if _differ(*pair)]
    assert [phase.first_step for phase in made.phases] == [0, *changes]


def _differ(step: Any, other: Any) -> bool:
    return any(getattr(step, name) != getattr(other, name) for name in ("windows", "seq_len", "weights"))


def test_access_is_by_phase_not_by_step() -> None:
    made = course(steps=10**9, batch_ramp=RAMP)
    assert made.at(10**9 - 1).first_window == made.windows_before(10) + (10**9 - 11) * 8
    assert math.isclose(made.learning_rate(10**9 - 1), 0.05)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_ramp": {"start_tokens": 30, "over_tokens": 9}}, r"start_tokens=30 is not a multiple of seq_len=16; .*: 32"),
        ({"batch_ramp": {"start_tokens": 128, "over_tokens": 9}}, "start_tokens=128 is not below batch_tokens=128"),
        ({"batch_ramp": {"start_tokens": 48, "over_tokens": 9}}, "48 grows by 48 .* past batch_tokens=128; .* divide 80"),
        ({"lengths": [{"seq_len": 6, "until_fraction": 0.1}]}, "6 tokens does not divide, or is not below, the 16"),
        ({"lengths": [{"seq_len": 16, "until_fraction": 0.1}]}, "not below"),
        ({"lengths": [{"seq_len": 4}]}, "say until_fraction or until_tokens"),
        (
            {"lengths": [{"seq_len": 4, "until_fraction": 0.5}, {"seq_len": 8, "until_fraction": 0.5}]},
            r"seq_len=8 ends at 0\.5, the one before at 0\.5",
        ),
        (
            {"lengths": [{"seq_len": 8, "until_fraction": 0.5}], "objective": {"name": "denoising"}},
            r"objective\.name='denoising' makes a row .* or set objective\.name to causal or masked or prefix",
        ),
        ({"mixture": [{"weights": {"a": 1}}]}, "say from_step or from_fraction"),
        ({"mixture": [{"from_step": 1, "weights": {"a": -1}}]}, r"weights\.a=-1 is below 0"),
    ],
)
def test_settings_that_do_not_fit_are_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        course(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_ramp": RAMP}, "batch_ramp ends after step 10, the run has 8"),
        ({"lengths": [{"seq_len": 8, "until_tokens": 2000}]}, "lengths end after step 16, the run has 8"),
        ({"mixture": [{"from_step": 8, "weights": {"a": 1}}]}, "mixture begins after step 8, the run has 8"),
        ({"mixture": [{"from_step": 5, "weights": {"a": 1}}] * 2}, "one part begins at step 5, the next at 5"),
        ({"schedule": {"warmup_steps": 9}}, "warm-up and decay take 9 steps, the run has 8"),
    ],
)
def test_a_course_longer_than_the_run_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        course(steps=8, **changes).check()
