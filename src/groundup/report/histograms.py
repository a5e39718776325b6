"""How measured values lie, one small drawing a rule, with the threshold drawn in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from groundup.core.units import format_count
from groundup.report.curation import Histogram
from groundup.report.ink import VARIABLES, Ink
from groundup.report.svg import Size, to_svg

SIZE = Size(280, 118)
_LEFT, _BOTTOM, _TOP, _RIGHT = 6, 24, 8, 6
_NUM_TICKS = 5


@dataclass(frozen=True)
class Bins:
    """The bins that are drawn: from the first to the last that holds something or the threshold."""

    edges: npt.NDArray[np.float64]
    """Of each bin, and where the last one ends."""
    counts: npt.NDArray[np.int64]
    is_dropped: npt.NDArray[np.bool_]
    threshold: float | None
    """In places along the axis, where bin i goes from i to i + 1."""
    marks: tuple[float, ...] = ()
    """Other values drawn in, in such places."""


def bins_of(histogram: Histogram) -> Bins:
    """Return the bins worth drawing; those on the wrong side of the threshold are dropped."""
    edges, counts = np.array(histogram.edges), np.array(histogram.counts)
    ends = np.append(edges[1:], 2 * edges[-1] - edges[-2] if len(edges) > 1 else edges[-1] + 1)
    wanted = np.flatnonzero(counts)
    place = None if histogram.threshold is None else _place(edges, ends, histogram.threshold)
    marks = [_place(edges, ends, mark) for mark in histogram.marks]
    drawn = np.array([*marks, *([] if place is None else [place])])
    wanted = np.append(wanted, np.minimum(drawn, len(edges) - 1).astype(np.int64))
    if place is not None and _is_one_value(edges, ends, histogram):
        place += 1  # the bin holds the threshold alone, which lies on this side of the line
    low, high = (int(wanted.min()), int(wanted.max()) + 1) if len(wanted) else (0, 1)
    middles = np.arange(len(edges)) + 0.5
    is_dropped = np.zeros(len(edges), np.bool_)
    if place is not None and histogram.bound is not None:
        is_dropped = middles < place if histogram.bound in ("at_least", "above") else middles > place
    return Bins(
        np.append(edges[low:high], ends[high - 1]),
        counts[low:high],
        is_dropped[low:high],
        None if place is None else place - low,
        tuple(mark - low for mark in marks),
    )


def _is_one_value(edges: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], histogram: Histogram) -> bool:
    """Return whether the threshold is a count with a bin of its own, and kept or dropped with what lies below it."""
    if histogram.bound not in ("at_most", "above") or not (edges == edges.round()).all():
        return False
    return bool(((edges == histogram.threshold) & (ends - edges == 1)).any())


def _place(edges: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], value: float) -> float:
    """Return where a value lies along the axis."""
    bin_number = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 1))
    width = ends[bin_number] - edges[bin_number]
    return bin_number + float(np.clip((value - edges[bin_number]) / width, 0, 1))


def draw_histogram(axes: Axes, bins: Bins, ink: Ink) -> None:
    """Draw the counts, their heights logarithmic so that few documents beyond a threshold are seen beside many before it."""
    axes.set_position(
        (
            _LEFT / SIZE.width,
            _BOTTOM / SIZE.height,
            1 - (_LEFT + _RIGHT) / SIZE.width,
            1 - (_BOTTOM + _TOP) / SIZE.height,
        )
    )
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ink.line)
    heights = np.log10(bins.counts + 1.0)
    middles = np.arange(len(heights)) + 0.5
    for chosen, colour in ((~bins.is_dropped, ink.accent), (bins.is_dropped, ink.accent_soft)):
        if chosen.any():
            axes.bar(middles[chosen], heights[chosen], 1.0, color=colour, linewidth=0)
    for mark in bins.marks:
        axes.axvline(mark, color=ink.muted, linewidth=1.2, linestyle="dashed")
    if bins.threshold is not None:
        axes.axvline(bins.threshold, color=ink.bad, linewidth=1.6)
    axes.set_xlim(0, len(heights))
    axes.set_ylim(0, max(float(heights.max()), 1e-9) * 1.06)
    values = tick_values(bins.edges)
    places = np.interp(values, bins.edges, np.arange(len(bins.edges)))
    axes.set_xticks([float(place) for place in places], [_label(value) for value in values])
    axes.set_yticks([])
    axes.tick_params(colors=ink.muted, length=0, pad=5, labelsize=12)


def tick_values(edges: npt.NDArray[np.float64]) -> list[float]:
    """Return round values for the axis: evenly spaced where bins are, powers of ten where they widen."""
    widths = np.diff(edges)
    if np.allclose(widths, widths[0]):
        found = [
            float(value) for value in MaxNLocator(_NUM_TICKS, steps=(1, 2, 5, 10)).tick_values(float(edges[0]), float(edges[-1]))
        ]
    else:
        found = [0.0, *(10.0**power for power in range(9))]
    inside = [value for value in found if edges[0] <= value <= edges[-1]]
    return inside or [float(edges[0])]


def _label(value: float) -> str:
    return format_count(value) if value >= 1000 else f"{value:g}"


@dataclass(frozen=True)
class Drawn:
    """One histogram on the page."""

    rule: Histogram
    svg: Markup

    @property
    def num_values(self) -> int:
        return sum(self.rule.counts)


def drawn_histograms(histograms: Sequence[Histogram]) -> dict[str, list[Drawn]]:
    """Return the drawings of each stage."""
    drawn: dict[str, list[Drawn]] = {}
    for number, histogram in enumerate(histograms):
        drawn.setdefault(histogram.stage, []).append(Drawn(histogram, _svg(number, histogram)))
    return drawn


def _svg(number: int, histogram: Histogram) -> Markup:
    bins = bins_of(histogram)
    alt = (
        f"{histogram.rule} of {histogram.stage}: {histogram.words}; {sum(histogram.counts):,} {histogram.of}; {_extent(histogram)}"
    )
    return to_svg(f"hist-{number}", alt, SIZE, lambda axes: draw_histogram(axes, bins, VARIABLES))


def _extent(histogram: Histogram) -> str:
    """Return where the middle of the values lies."""
    total = np.cumsum(histogram.counts)
    if not total[-1]:
        return "nothing measured"
    middle = int(np.searchsorted(total, total[-1] / 2))
    return f"half of the values lie at or below the bin from {histogram.edges[middle]:g}"
