"""Corrections against a slow version, and what they may never do."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrations import KIND, off_by, run_of
from groundup.artifacts.plan import Amounts
from groundup.estimate.calibration.corrections import MIN_RUNS, NEAREST, Calibration, Sample, fit, left_out_error

SIZES = st.floats(1e-3, 1e12)


def slow_left_out_error(way: str, pairs: list[tuple[float, float]]) -> float:
    """Predict each measurement from the median of the others, written out."""
    errors = []
    for i, (foreseen, measured) in enumerate(pairs):
        others = [pair for j, pair in enumerate(pairs) if j != i]
        if way == "factor":
            corrected = foreseen * statistics.median([m / f for f, m in others])
        else:
            corrected = max(foreseen + statistics.median([m - f for f, m in others]), 0.0)
        errors.append(abs(corrected / measured - 1))
    return sum(errors) / len(errors)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=2, max_size=8), st.sampled_from(["factor", "offset"]))
def test_the_error_left_out_equals_the_slow_version(pairs, way):
    samples = [Sample(foreseen, measured, measured) for foreseen, measured in pairs]
    assert left_out_error(way, samples) == pytest.approx(slow_left_out_error(way, pairs), rel=1e-6)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=MIN_RUNS, max_size=12))
def test_a_correction_is_used_only_where_it_errs_less_on_runs_that_it_has_not_seen(pairs):
    found = fit("growth_bytes", [Sample(foreseen, measured, measured) for foreseen, measured in pairs], "alike")
    best = min(slow_left_out_error(way, pairs) for way in ("factor", "offset"))
    before = statistics.fmean(abs(foreseen / measured - 1) for foreseen, measured in pairs)
    assert (found is not None) == (best < before) or best == pytest.approx(before)
    if found is not None:
        assert found.error_after == pytest.approx(best, rel=1e-6)
        assert found.error_before == pytest.approx(before)


@given(st.floats(0.5, 2.0).filter(lambda factor: abs(factor - 1) > 0.01), st.floats(0.6, 5.0))
def test_a_factor_that_all_runs_share_makes_the_next_forecast_right(factor, size):
    calibration = Calibration(tuple(off_by(factor, 1 + number) for number in range(4)))
    found = calibration.correction("step_s", 0.5 * size, KIND)
    assert found is not None
    assert found.way == "factor"
    assert found.applied(0.5 * size) == pytest.approx(0.5 * size * factor)
    assert found.error_after == pytest.approx(0, abs=1e-9)
    assert found.runs == 4


def test_what_comes_on_top_whatever_the_size_is_an_offset():
    runs = []
    for size in (1, 2, 4, 6):
        plain = Amounts(growth_bytes=1e8 * size, step_s=1, beside_s=1)
        runs.append(run_of(plain, plain.model_copy(update={"growth_bytes": 1e8 * size + 3e7})))
    found = Calibration(tuple(runs)).correction("growth_bytes", 5e8, KIND)
    assert found is not None
    assert (found.way, found.value) == ("offset", pytest.approx(3e7))
    assert found.applied(5e8) == pytest.approx(5.3e8)


@pytest.mark.parametrize("count", range(MIN_RUNS + 1))
def test_nothing_rests_on_too_few_runs(count):
    found = Calibration((off_by(1.2),) * count).correction("step_s", 0.5, KIND)
    assert (found is not None) == (count >= MIN_RUNS)


@pytest.mark.parametrize(
    ("change", "is_used"),
    [
        ({"shape": "encoder"}, True),
        ({"recompute": "full"}, True),
        ({"precision": "bf16"}, True),
        ({"compiled": True}, False),
        ({"device": "cuda"}, False),
    ],
)
def test_runs_of_another_kind_stand_in_where_they_err_alike(change, is_used):
    """Not between compiled and eager, nor between devices."""
    other = KIND.model_copy(update=change)
    found = Calibration((off_by(1.3, kind=other),) * 3).correction("step_s", 0.5, KIND)
    assert (found is not None) == is_used


def test_runs_that_have_most_in_common_are_asked_first():
    other = KIND.model_copy(update={"precision": "bf16"})
    calibration = Calibration((*(off_by(2.0, kind=other) for _ in range(9)), *(off_by(1.1) for _ in range(3))))
    found = calibration.correction("step_s", 0.5, KIND)
    assert found is not None
    assert (found.value, found.runs) == (pytest.approx(1.1), 3)
    assert found.alike == "cpu, decoder, fp32, eager, recompute none"


def test_runs_of_quite_another_size_say_nothing():
    calibration = Calibration(tuple(off_by(1.3) for _ in range(5)))
    assert calibration.correction("step_s", 0.5 * 7.9, KIND) is not None
    assert calibration.correction("step_s", 0.5 * 8.1, KIND) is None
    assert calibration.correction("step_s", 0.5 / 8.1, KIND) is None


def test_the_nearest_in_size_are_asked():
    far = [off_by(3.0, 5.0) for _ in range(NEAREST)]
    near = [off_by(1.1, 1.0 + number / 100) for number in range(NEAREST)]
    found = Calibration((*far, *near)).correction("step_s", 0.5, KIND)
    assert found is not None
    assert (found.value, found.runs) == (pytest.approx(1.1), NEAREST)


def test_a_run_beside_a_busy_neighbour_does_not_move_it():
    runs = [off_by(1.1) for _ in range(6)]
    found = Calibration((*runs, off_by(4.0))).correction("step_s", 0.5, KIND)
    assert found is not None
    assert found.value == pytest.approx(1.1)


def test_the_loss_of_another_text_says_nothing():
    runs = tuple(off_by(1.2, text="01" * 8) for _ in range(5))
    assert Calibration(runs).correction("loss", 4.0, KIND, text="23" * 8) is None
    found = Calibration(runs).correction("loss", 4.0, KIND, text="01" * 8)
    assert found is not None
    assert found.applied(4.0) == pytest.approx(4.8)


def test_where_nothing_is_foreseen_nothing_is_corrected():
    assert Calibration((off_by(1.2),) * 5).correction("loss", None, KIND, "ab" * 8) is None
