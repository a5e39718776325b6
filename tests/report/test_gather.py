"""What the report judges."""

from pathlib import Path

import pytest

from fake_run import make_run
from groundup.report.gather import Comparison, gather


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
