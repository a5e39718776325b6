"""What earlier runs change of a plan, and what they do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrations import MACHINE, off_by
from formula_probe import FormulaProbe, plan_config, situation
from groundup.artifacts.plan import Forecast
from groundup.estimate.calibration.corrections import Calibration
from groundup.plan.calibrated import with_growth
from groundup.plan.config import SizeConfig
from groundup.plan.derive import derive

SIZE = SizeConfig(dim=128, num_layers=4)


def calibrated(factor, minutes=4.0, **train):
    """Return (decisions, forecast) without a calibration, and with runs that took `factor` times what was foreseen."""
    config = plan_config(minutes, SIZE, precision="fp32", **train)
    plain = derive(config, situation(), FormulaProbe())
    step, growth = plain[1].step_s, plain[1].growth_bytes
    runs = []
    for number in range(4):
        run = off_by(1.0)
        before = run.plain.model_copy(update={"step_s": step * (1 + number), "growth_bytes": float(growth * (1 + number))})
        after = before.model_copy(update={"step_s": before.step_s * factor, "growth_bytes": before.growth_bytes * factor})
        runs.append(run.model_copy(update={"plain": before, "measured": after}))
    return plain, derive(config, situation(), FormulaProbe(), Calibration(tuple(runs)))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.6, 1.8))
def test_only_the_number_of_steps_is_decided_by_it(factor):
    (plain, _), (decisions, _) = calibrated(factor)
    assert decisions.model_copy(update={"steps": 0}) == plain.model_copy(update={"steps": 0})
    assert (decisions.steps < plain.steps) == (factor > 1) or decisions.steps == plain.steps


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_forecasts_are_what_alike_runs_took(factor):
    (_, plain), (decisions, forecast) = calibrated(factor, minutes=None, steps=30)
    assert decisions.steps == 30
    assert forecast.step_s == pytest.approx(plain.step_s * factor)
    assert forecast.mfu == pytest.approx(plain.mfu / factor)
    assert forecast.calibrated is not None
    assert forecast.calibrated.plain.step_s == pytest.approx(plain.step_s)
    assert forecast.calibrated.plain.growth_bytes == plain.growth_bytes
    assert forecast.calibrated.plain_train_s == pytest.approx(plain.train_s)
    steps_s = forecast.calibrated.whole_steps * plain.step_s
    assert forecast.train_s == pytest.approx(plain.train_s + (factor - 1) * steps_s)
    assert forecast.memory_bytes["total"] == sum(size for name, size in forecast.memory_bytes.items() if name != "total")
    if factor > 1:
        assert forecast.growth_bytes == pytest.approx(plain.growth_bytes * factor, rel=1e-6)
    words = [reason for reason in forecast.why if reason.startswith("calibration: step time")]
    assert "4 runs like this one here (cpu, decoder, fp32, eager, recompute none)" in words[0]
    assert f"off by {abs(1 / 1 - factor) / factor:.1%} of what was measured, 0.0% when" in words[0]


def test_the_budget_is_kept_by_the_corrected_time():
    _, (_, forecast) = calibrated(1.5, minutes=2.0)
    assert 110 <= forecast.train_s <= 120


def test_without_alike_runs_the_plan_says_so_and_is_the_plain_one():
    config = plan_config(4.0, SIZE)
    decisions, forecast = derive(config, situation(), FormulaProbe(), Calibration())
    plain = derive(config, situation(), FormulaProbe())
    assert decisions == plain[0]
    assert forecast.train_s == plain[1].train_s
    assert any("of 0 known runs of this machine fewer than 3 are like this one" in reason for reason in forecast.why)
    assert forecast.calibrated is not None
    assert forecast.calibrated.corrections == ()
    assert plain[1].calibrated is None


def test_more_than_the_limit_is_told_and_changes_nothing():
    (plain, _), (decisions, forecast) = calibrated(1.7, minutes=None, steps=20, memory_cap="480MB", micro_batch=4)
    assert decisions == plain
    assert forecast.memory_bytes["total"] > 480_000_000
    assert any("with the correction is more than the 480 MB" in reason for reason in forecast.why)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 2 * 10**9))
def test_memory_stays_the_sum_of_its_parts_and_no_part_is_negative(tensors, gaps, growth):
    memory = {"process": 400, "weights": tensors, "allocator": gaps, "total": 400 + tensors + gaps}
    found = with_growth(memory, growth)
    assert found["total"] == sum(size for name, size in found.items() if name != "total")
    assert min(found.values()) >= 0
    assert found["total"] - found["process"] == max(growth, tensors)


def test_a_forecast_of_an_older_plan_is_read():
    _, forecast = derive(plan_config(4.0, SIZE), situation(), FormulaProbe())
    written = forecast.model_dump(mode="json")
    del written["calibrated"]
    assert Forecast.parse(written, "forecast.json").calibrated is None


def test_the_machine_is_told_in_words():
    assert MACHINE.words() == "Made-up 9000, 2 cores, 2 threads, torch 2.13.0"
