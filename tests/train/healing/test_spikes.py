import json
import math

import numpy as np
import pytest

from groundup.train.healing.config import HealingConfig
from groundup.train.healing.spikes import SpikeWindow, spread
from groundup.train.step import StepResult

CONFIG = HealingConfig(window=32)


def result(loss: float, grad_norm: float = 1.0) -> StepResult:
    return StepResult(loss, grad_norm, 100)


def window_of(losses: list[float], norms: list[float] | None = None) -> SpikeWindow:
    window = SpikeWindow(CONFIG)
    for loss, norm in zip(losses, norms or [1.0] * len(losses), strict=True):
        window.accept(result(loss, norm))
    return window


def noise(scale: float, count: int = 32, seed: int = 0) -> list[float]:
    return (4 + scale * np.random.default_rng(seed).normal(size=count)).tolist()


def test_spread_is_the_standard_deviation_of_normal_numbers() -> None:
    assert spread(noise(0.3, 20_000)) == pytest.approx(0.3, rel=0.02)


def test_spread_does_not_see_a_minority_of_outliers() -> None:
    values = noise(0.3, 1000)
    assert spread([*values, *[1e9] * 200]) < 1.6 * spread(values)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_is_a_spike_at_once(bad: float) -> None:
    for window in (SpikeWindow(CONFIG), SpikeWindow(HealingConfig(enabled=False)), window_of(noise(0.1))):
        assert window.judge(result(bad))
        assert window.judge(result(4.0, abs(bad)))


def test_nothing_else_is_one_before_the_window_is_full() -> None:
    assert window_of(noise(0.01, 31)).judge(result(400.0, 1e9)) is None
    assert window_of(noise(0.01, 32)).judge(result(400.0, 1e9))


@pytest.mark.parametrize(
    ("loss", "is_spike"), [(4.0, False), (4.3, False), (3.7, False), (5.5, True), (2.5, True), (9.0, True), (0.1, True)]
)
def test_the_loss_is_judged_on_both_sides(loss: float, is_spike: bool) -> None:
    spike = window_of(noise(0.1, seed=3)).judge(result(loss))
    assert (spike is not None) == is_spike
    assert spike is None or not spike.learned


def test_the_gradient_norm_is_judged_upwards_only() -> None:
    window = window_of(noise(0.1), [1.0, 1.2] * 16)
    assert window.judge(result(4.0, 1e-9)) is None
    assert window.judge(result(4.0, 50.0)) is None
    assert "gradient norm" in window.judge(result(4.0, 500.0)).why


def test_a_rise_too_small_for_one_step_is_seen_over_several() -> None:
    window = window_of(noise(0.02))
    judged = []
    for _ in range(8):
        judged.append(window.judge(result(4.3)))
        window.accept(result(4.3))
    assert judged[:3] == [None] * 3
    assert any(spike is not None and spike.learned for spike in judged)


@pytest.mark.parametrize("slope", [0.0, -0.002, -0.02, -0.06])
@pytest.mark.parametrize("scale", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("plateau", [0, 40, 200])
def test_falling_losses_are_healthy(slope: float, scale: float, plateau: int) -> None:
    """Also where a plateau ends and the loss begins to fall: 0.06 a step are 2 nats in a window."""
    window, dice = SpikeWindow(CONFIG), np.random.default_rng(1)
    for step in range(plateau + 100):
        loss = 9 + slope * max(step - plateau, 0) + scale * dice.normal()
        norm = math.exp(0.3 * dice.normal())
        assert window.judge(result(loss, norm)) is None, step
        window.accept(result(loss, norm))


@pytest.mark.parametrize("growth", [2, 4, 16])
def test_a_batch_that_grows_is_healthy(growth: int) -> None:
    """Means over more tokens spread less, and a larger batch has the smaller gradient: no step needs to be forgotten."""
    dice = np.random.default_rng(2)
    window = window_of(noise(0.1), [1.0] * 32)
    for step in range(100):
        loss, norm = 4 - 0.002 * step + 0.1 * growth**-0.5 * dice.normal(), growth**-0.5 * math.exp(0.1 * dice.normal())
        assert window.judge(result(loss, norm)) is None, step
        window.accept(result(loss, norm))


def moved(window: SpikeWindow, *moves: float, rate_factor: float = 1.0) -> SpikeWindow:
    for move in moves:
        window.accept(result(4.0), move, rate_factor)
    return window


def test_an_update_that_goes_too_far_is_found_at_the_next_step() -> None:
    window = moved(window_of(noise(0.1)), *[1e-3] * 32)
    assert moved(window, 9e-3).judge(result(4.0)) is None
    spike = moved(window, 4e-2).judge(result(4.0))
    assert spike is not None
    assert spike.learned
    assert spike.excess == pytest.approx(40)
    assert moved(window, 1e-3).judge(result(4.0)) is None, "it is no measure of the next"


def test_updates_of_a_lowered_rate_are_no_measure() -> None:
    window = moved(moved(window_of(noise(0.1)), *[1e-3] * 32), *[1e-5] * 100, rate_factor=0.01)
    assert moved(window, 1e-3).judge(result(4.0)) is None


def test_updates_that_grow_in_a_warm_up_are_healthy() -> None:
    window = SpikeWindow(CONFIG)
    for step in range(1, 1000):
        assert moved(window, 1e-5 * step).judge(result(4.0)) is None


def test_state_survives_json_exactly() -> None:
    window, other = moved(window_of(noise(0.1), noise(0.5)), *[1e-3] * 32, 0.5), SpikeWindow(CONFIG)
    other.load(json.loads(json.dumps(window.facts())))
    assert other.facts() == window.facts()
