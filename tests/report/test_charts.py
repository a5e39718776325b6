"""The arithmetic behind the charts, and their colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes

from groundup.report.charts import Curve2D, envelope, smoothed, thin
from groundup.report.ink import DARK, LIGHT, VARIABLES, Ink, blend, css_variables
from groundup.report.svg import Size, to_svg

WCAG_AA = 4.5
"""Least contrast of text (Web Content Accessibility Guidelines 2.1, criterion 1.4.3)."""


def contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ink", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["text", "muted", "accent", "good", "bad"])
@pytest.mark.parametrize("ground", ["page", "panel"])
def test_text_can_be_read(ink: Ink, name: str, ground: str) -> None:
    assert contrast(getattr(ink, name), getattr(ink, ground)) >= WCAG_AA


def test_every_colour_is_a_variable() -> None:
    used = " ".join([VARIABLES.page, VARIABLES.accent, *VARIABLES.ramp])

    def draw(axes: Axes) -> None:
        for i, colour in enumerate(used.split()):
            axes.plot([0, 1], [i, i], color=colour)

    svg = to_svg("test", "lines", Size(100, 100), draw)
    assert "#0102" not in svg
    for name in ("page", "accent", "ramp-0", "ramp-7"):
        assert f"var(--{name})" in svg
        assert f"--{name}: " in css_variables(LIGHT)


def test_texts_in_drawings_are_escaped() -> None:
    svg = to_svg("test", '"><b>', Size(100, 100), lambda axes: axes.text(0, 0, "<script>$x^2$ &") and None)
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert "$x^2$" in svg


@pytest.mark.parametrize(("share", "colour"), [(0.0, "#102030"), (1.0, "#f0e0d0"), (0.5, "#808080")])
def test_blend(share: float, colour: str) -> None:
    assert blend("#102030", "#f0e0d0", share) == colour


@given(st.integers(1, 400), st.floats(-100, 100))
def test_the_mean_of_a_constant_is_the_constant(length: int, value: float) -> None:
    np.testing.assert_allclose(smoothed(np.full(length, value)), value, rtol=1e-9, atol=1e-9)


def test_values_that_are_no_numbers_are_left_out_of_the_mean() -> None:
    values = np.ones(200)
    values[50:60] = np.nan
    np.testing.assert_allclose(smoothed(values), np.where(np.isnan(smoothed(values)), np.nan, 1.0))
    assert np.isfinite(smoothed(values)[100:]).all()
    assert np.isnan(smoothed(np.full(5, np.inf))).all()


@given(st.integers(2, 9000), st.data())
def test_a_spike_is_never_lost(length: int, data: st.DataObject) -> None:
    values = np.zeros(length)
    values[data.draw(st.integers(0, length - 1))] = 9.0
    drawn = envelope(Curve2D(np.arange(length, dtype=np.float64), values))
    assert drawn.values.max() == 9.0
    assert len(drawn.values) <= max(length if length <= 1200 else 0, 1210)
    assert (np.diff(drawn.steps) > 0).all()


@given(st.integers(1, 9000))
def test_a_thinned_curve_keeps_its_ends(length: int) -> None:
    steps = np.arange(length, dtype=np.float64)
    drawn = thin(Curve2D(steps, steps))
    assert (drawn.steps[0], drawn.steps[-1]) == (0, length - 1)
    assert len(drawn.steps) <= 1200
