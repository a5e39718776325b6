import json
import math

import pytest

from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing, Trouble
from groundup.train.healing.spikes import Spike
from groundup.train.step import StepResult

CONFIG = HealingConfig(skips=2, slows=1, rollbacks=2, calm_steps=5, slow_factor=0.5)
FAR, LEARNED = Spike("far"), Spike("drift", learned=True)
GOOD = StepResult(4.0, 1.0, 100)


def climb(healing: Healing, step: int, count: int, spike: Spike = FAR) -> list[str]:
    return [healing.climb(step, spike) for _ in range(count)]


def test_spikes_in_a_row_climb_the_ladder() -> None:
    healing = Healing(CONFIG)
    assert climb(healing, 100, 9) == ["skip", "skip", "rollback", "skip", "skip", "rollback", "skip", "skip", "stop"]
    assert healing.trouble.rate_factor == 1.0  # no step was taken in between that a lower rate could have made better


def test_spikes_that_come_back_lower_the_learning_rate_until_it_is_calm() -> None:
    healing = Healing(CONFIG)
    assert healing.climb(100, FAR) == "skip"
    healing.take(101, GOOD)
    assert healing.climb(101, FAR) == "slow"
    assert healing.trouble.rate_factor == 0.5
    for step in range(102, 106):
        healing.take(step, GOOD)
        assert healing.trouble.rate_factor == 0.5
    healing.take(106, GOOD)
    assert healing.trouble == Trouble()


def test_coming_back_too_often_goes_back() -> None:
    healing = Healing(CONFIG)
    rungs = []
    for step in range(100, 104):
        rungs.append(healing.climb(step, FAR))
        healing.take(step + 1, GOOD)
    assert rungs == ["skip", "slow", "rollback", "slow"]


def test_what_was_learned_already_goes_back_at_once_and_the_next_time_more_slowly() -> None:
    healing = Healing(CONFIG)
    assert healing.climb(100, LEARNED) == "rollback"
    assert healing.trouble.rate_factor == 1.0
    healing.take(91, GOOD)
    assert healing.climb(91, LEARNED) == "rollback"
    assert healing.trouble.rate_factor == 0.5
    healing.take(91, GOOD)
    assert healing.climb(91, LEARNED) == "stop"


def test_trouble_lasts_until_its_last_step_is_left_behind() -> None:
    """Steps that are repeated after going back do not end it, however many they are."""
    healing = Healing(CONFIG)
    climb(healing, 100, 3)
    for step in range(80, 105):
        healing.take(step, GOOD)
        assert healing.trouble.rollbacks == 1
    healing.take(105, GOOD)
    assert healing.trouble.rollbacks == 0


def test_each_rollback_passes_over_twice_as_much() -> None:
    healing = Healing(HealingConfig(skips=4, rollbacks=5))
    beyond = []
    for _ in range(4):
        climb(healing, 10, 5)
        beyond.append(healing.batches_beyond())
    assert beyond == [0, 4, 12, 28]


def test_off_means_stop() -> None:
    assert Healing(HealingConfig(enabled=False)).climb(10, FAR) == "stop"


def test_state_survives_json_exactly() -> None:
    healing, other = Healing(CONFIG), Healing(CONFIG)
    healing.take(1, GOOD)
    climb(healing, 1, 4)
    other.load(json.loads(json.dumps(healing.facts())))
    assert other.facts() == healing.facts()
    assert other.trouble == healing.trouble


def test_what_was_before_a_planned_change_is_no_measure() -> None:
    config = HealingConfig(window=16)
    healing, other = Healing(config), Healing(config)
    for step in range(1, 17):
        assert healing.judge(GOOD, 0) is None
        healing.take(step, GOOD)
    far = StepResult(50.0, 1.0, 100)
    other.load(json.loads(json.dumps(healing.facts())))
    assert healing.judge(far, 0)
    assert healing.judge(far, 1) is None
    assert healing.judge(StepResult(math.nan, 1.0, 100), 1)
    assert other.judge(far, 1) is None
    assert other.facts() == healing.facts()


def test_an_update_that_went_too_far_is_taken_back_and_done_again_shorter_until_the_planned_rate_is_usual() -> None:
    healing = Healing(HealingConfig(window=16, calm_steps=4))
    for step in range(16):
        healing.take(step + 1, GOOD, 1e-3)
    healing.take(17, GOOD, 4e-2)
    spike = healing.judge(GOOD, 0)
    assert spike is not None
    assert healing.climb(17, spike) == "rollback"
    assert healing.rate_factor(15) == 1.0, "updates before it were as usual"
    assert healing.rate_factor(16) == pytest.approx(1 / 40)
    for step in range(16, 40):
        healing.take(step + 1, GOOD, 1e-3)
        assert healing.rate_factor(step + 1) == pytest.approx(1 / 40), "40 times as far at the planned rate"
    healing.take(41, GOOD, 1e-3 / 40)
    assert healing.rate_factor(41) == 1.0


def test_a_lowered_rate_ends_with_the_trouble_also_before_it_is_known_what_is_usual() -> None:
    healing = Healing(HealingConfig(window=16, calm_steps=4))
    for step in (1, 2):
        assert healing.climb(step - 1, Spike("loss nan")) == ("skip" if step == 1 else "slow")
        healing.take(step, GOOD, 1e-3)
    assert healing.rate_factor(2) == pytest.approx(0.1)
    healing.climb(2, Spike("loss nan"))
    assert healing.rate_factor(3) == pytest.approx(0.01)
    for step in range(3, 8):
        healing.take(step, GOOD, 1e-5)
    assert healing.rate_factor(8) == 1.0
