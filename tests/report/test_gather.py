"""What the report judges."""

import json
from pathlib import Path

import pytest

from fake_run import make_run
from groundup.report.gather import Comparison, gather
from groundup.report.page import write_report
from seen_page import Page


@pytest.mark.parametrize(("predicted", "holds"), [(86.0, True), (114.0, True), (84.0, False), (116.0, False)])
def test_a_prediction_is_judged_against_the_measurement(predicted: float, holds: bool) -> None:
    assert Comparison("memory", predicted, 100.0, "bytes", 0.15).holds is holds


def test_without_a_tolerance_nothing_is_judged() -> None:
    assert Comparison("loss", 3.0, 4.0, "number").holds is None


def test_tolerances_are_those_that_the_plan_promises(tmp_path: Path) -> None:
    rows = {row.what: row for row in gather(make_run(tmp_path / "demo")).comparisons}
    assert rows["peak memory"].tolerance == 0.15
    assert rows["training time"].tolerance == 0.25
    assert rows["peak memory"].predicted == 728_000_000


def test_text_seen_is_in_proportion_to_the_tokens(tmp_path: Path) -> None:
    facts = gather(make_run(tmp_path / "demo"))
    assert facts.text_bytes_seen == pytest.approx(983_040 * 7_289_000 / 2_207_000)


def corrected(folder: Path) -> None:
    """Give the plan a correction of its memory, from 600 MB to what it says."""
    forecast = json.loads((folder / "forecast.json").read_text())
    growth = forecast["memory_bytes"]["total"] - forecast["memory_bytes"]["process"]
    correction = {"way": "offset", "value": 128e6, "runs": 7, "alike": "cpu", "error_before": 0.2, "error_after": 0.03}
    forecast["calibrated"] = {
        "runs": 9,
        "plain": {"growth_bytes": growth - 128e6, "step_s": forecast["step_s"], "beside_s": 1.0, "loss": None},
        "plain_train_s": forecast["train_s"],
        "whole_steps": 240.0,
        "corrections": [{"what": "growth_bytes", **correction}],
    }
    (folder / "forecast.json").write_text(json.dumps(forecast))


def test_a_corrected_forecast_stands_beside_the_plain_one(tmp_path: Path) -> None:
    rows = {row.what: row for row in gather(make_run(tmp_path / "demo", plan=corrected)).comparisons}
    memory = rows["peak memory"]
    assert (memory.plain, memory.predicted) == (600_000_000, 728_000_000)
    assert memory.plain_error == pytest.approx(600_000_000 / memory.measured - 1)
    assert rows["training time"].plain is None


def test_the_page_shows_both_and_how_many_runs_they_rest_on(tmp_path: Path) -> None:
    text = Page(write_report(make_run(tmp_path / "demo", plan=corrected)).read_text()).text
    assert "memory beside the process: 7 runs" in text
    assert "uncorrected" in text
    assert "600 MB" in text
    assert "uncorrected" not in Page(write_report(make_run(tmp_path / "plain")).read_text()).text
