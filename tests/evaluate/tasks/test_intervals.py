"""Intervals are Student's."""

import math

import pytest

from groundup.evaluate.tasks.intervals import interval, student_cdf, student_quantile

PUBLISHED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 30: 2.042, 120: 1.980}
"""0.975 quantiles by degrees of freedom (Abramowitz & Stegun 1964, table 26.10)."""


@pytest.mark.parametrize("degrees", PUBLISHED)
def test_quantiles_are_the_published_ones(degrees: int) -> None:
    assert round(student_quantile(0.975, degrees), 3) == PUBLISHED[degrees]


def test_closed_forms_of_one_and_two_degrees() -> None:
    for t in (0.0, 0.3, 1.0, 7.0):
        assert student_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi)
        assert student_cdf(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)))


def test_interval_of_a_mean() -> None:
    values = [0.61, 0.64, 0.66, 0.60, 0.65]
    mean = sum(values) / 5
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / 4)
    assert interval(values) == pytest.approx((mean - 2.776445 * spread / math.sqrt(5), mean + 2.776445 * spread / math.sqrt(5)))
    assert interval([0.5]) is None
    assert interval([0.5, 0.5]) == (0.5, 0.5)
