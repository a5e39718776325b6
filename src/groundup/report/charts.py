"""The charts of a run, one function each: data in, drawing on given axes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve
from matplotlib.ticker import FuncFormatter, MaxNLocator

from groundup.core.units import format_count
from groundup.report.ink import Ink
from groundup.report.svg import Size

Floats = npt.NDArray[np.float64]
_MAX_POINTS = 1200
_MAX_LABEL_LEN = 28
_ROUND = (1, 2, 5, 10)
_PITCH_PX, _NARROW_PITCH_PX = 36, 46


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart: a label, lengths with their colours end to end, and a text for the value."""

    label: str
    parts: tuple[tuple[float, str], ...]
    value: str
    strong: bool = False

    @property
    def length(self) -> float:
        return sum(length for length, _ in self.parts)


def bars_size(num_rows: int, width: float, narrow: bool) -> Size:
    """Return a good size for `draw_bars`."""
    return Size(width, num_rows * (_NARROW_PITCH_PX if narrow else _PITCH_PX) + 4)


def draw_bars(axes: Axes, rows: Sequence[Bar], size: Size, ink: Ink, narrow: bool) -> None:
    """Draw horizontal bars from zero, spread over the height: labels beside them, above them where it is narrow."""
    _pixel_axes(axes, size)
    left, right = (0.0, size.width) if narrow else (_label_px(rows), size.width - _value_px(rows))
    scale = (right - left) / (max((row.length for row in rows), default=0.0) or 1.0)
    pitch = (size.height - 4) / len(rows)
    height = 14 if narrow else 0.6 * pitch
    for i, row in enumerate(rows):
        middle = i * pitch + (30 if narrow else pitch / 2)
        x = left
        for length, colour in row.parts:
            if length > 0:
                axes.barh(middle, length * scale, height, x, color=colour, edgecolor=ink.page, linewidth=1)
            x += length * scale
        text_y = i * pitch + 11 if narrow else middle
        weight = "bold" if row.strong else "normal"
        axes.text(0, text_y, _clip(row.label), ha="left", va="center", color=ink.text, weight=weight)
        value_x, align = (size.width, "right") if narrow else (x + 10, "left")
        axes.text(value_x, text_y, row.value, ha=align, va="center", color=ink.text if row.strong else ink.muted, weight=weight)


def _clip(label: str) -> str:
    return label if len(label) <= _MAX_LABEL_LEN else label[: _MAX_LABEL_LEN - 1] + "…"


def _label_px(rows: Sequence[Bar]) -> float:
    """Return room for the longest label before its bar."""
    return 20 + 7.5 * max((len(_clip(row.label)) for row in rows), default=0)


def _value_px(rows: Sequence[Bar]) -> float:
    """Return room for the longest value beside its bar."""
    return 16 + 9 * max((len(row.value) for row in rows), default=0)


def _pixel_axes(axes: Axes, size: Size) -> None:
    """Make the axes count pixels from the upper left."""
    axes.set_axis_off()
    axes.set_xlim(0, size.width)
    axes.set_ylim(size.height, 0)


@dataclass(frozen=True)
class Curve2D:
    """A measured quantity over the steps of a run."""

    steps: Floats
    values: Floats


def draw_loss(axes: Axes, loss: Curve2D, held_out: Curve2D | float | None, size: Size, ink: Ink) -> None:
    """Draw the training loss raw (thin) and smoothed (thick), with the held-out loss as points, or as a dashed line."""
    frame(axes, size, ink, left=30, bottom=46, top=34, right=4)
    raw = envelope(loss)
    axes.plot(raw.steps, raw.values, color=ink.accent_soft, linewidth=1)
    smooth = thin(Curve2D(loss.steps, smoothed(loss.values)))
    axes.plot(smooth.steps, smooth.values, color=ink.accent, linewidth=2.4, solid_capstyle="round")
    if isinstance(held_out, Curve2D):
        axes.plot(held_out.steps, held_out.values, "o-", color=ink.text, linewidth=1.2, markersize=4.5, clip_on=False)
        words, place = f"held-out text: {held_out.values[-1]:.2f}", (held_out.steps[-1], held_out.values[-1])
        axes.annotate(words, place, (2, 12), "data", "offset points", ha="right", va="bottom", color=ink.text)
    elif held_out is not None:
        axes.axhline(held_out, color=ink.muted, linewidth=1.2, linestyle=(0, (4, 4)))
        place = (0, held_out)  # at the left the curve is still far above
        words, space = f"held-out text: {held_out:.2f}", ("axes fraction", "data")
        axes.annotate(words, place, (4, -5), space, "offset points", va="top", color=ink.muted)
    axes.set_xlabel("optimizer step", color=ink.muted)
    above = (0, 1 + 30 / (size.height - 80))
    axes.annotate("loss [nats per token]", above, (-30, 0), "axes fraction", "offset points", va="top", color=ink.muted)


def draw_small(axes: Axes, curve: Curve2D, size: Size, ink: Ink) -> None:
    """Draw a side quantity small: one line, few ticks, zero included."""
    frame(axes, size, ink, left=46, bottom=24, top=10, right=8)
    points = thin(curve)
    axes.plot(points.steps, points.values, color=ink.accent, linewidth=1.6)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=_ROUND, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_ROUND))


def frame(axes: Axes, size: Size, ink: Ink, *, left: float, bottom: float, top: float, right: float) -> None:
    """Set the margins in pixels, with light grid lines and no box."""
    inner = (size.width - left - right, size.height - bottom - top)
    axes.set_position((left / size.width, bottom / size.height, inner[0] / size.width, inner[1] / size.height))
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ink.line)
    axes.grid(axis="y", color=ink.line, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(colors=ink.muted, length=0, pad=6, labelsize=12)
    axes.margins(x=0.01, y=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_ROUND, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_ROUND))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _position: int | None) -> str:
    if value == round(value) and abs(value) < 10_000:
        return f"{value:,.0f}"
    return format_count(float(value)) if abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def smoothed(values: Floats) -> Floats:
    """Return the mean over a centred window of a fortieth of the run; values that are not finite are left out."""
    width = max(1, len(values) // 40) | 1
    window = np.ones(min(width, len(values)))
    finite = np.isfinite(values)
    sums = np.convolve(np.where(finite, values, 0.0), window, "same")
    counts = np.convolve(finite.astype(np.float64), window, "same")
    means: Floats = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means


def thin(curve: Curve2D) -> Curve2D:
    """Return at most some 1,200 points of the curve, the first and the last among them."""
    if len(curve.steps) <= _MAX_POINTS:
        return curve
    chosen = np.unique(np.linspace(0, len(curve.steps) - 1, _MAX_POINTS).astype(int))
    return Curve2D(curve.steps[chosen], curve.values[chosen])


def envelope(curve: Curve2D) -> Curve2D:
    """Return the curve with long stretches replaced by their least and greatest value, so that no spike is lost."""
    size = -(-2 * len(curve.steps) // _MAX_POINTS)
    if size <= 2:
        return curve
    chosen: list[int] = []
    for start in range(0, len(curve.steps), size):
        part = np.where(np.isfinite(curve.values[start : start + size]), curve.values[start : start + size], 0.0)
        chosen += sorted({start + int(part.argmin()), start + int(part.argmax())})
    return Curve2D(curve.steps[chosen], curve.values[chosen])


@dataclass(frozen=True)
class Node:
    """A stage in the drawing of the line."""

    name: str
    note: str
    inputs: tuple[str, ...]
    content_hash: str


def line_size(num_nodes: int, width: float, narrow: bool) -> Size:
    """Return the size that `draw_line` needs."""
    return Size(width, num_nodes * 62 + 10) if narrow else Size(width, 92 + 22 * max(num_nodes - 2, 0) + 24)


def draw_line(axes: Axes, nodes: Sequence[Node], size: Size, ink: Ink, narrow: bool) -> None:
    """Draw the stages in a row (a column where it is narrow), with an arc from each to every stage made from it."""
    _pixel_axes(axes, size)
    pitch = 62 if narrow else size.width / max(len(nodes), 1)
    places = {node.name: (i + 0.5) * pitch for i, node in enumerate(nodes)}
    base = 120.0 if narrow else size.height - 84
    for node in nodes:
        for name in node.inputs:
            if name in places:
                axes.add_patch(_arc(places[name], places[node.name], base, pitch, colour=ink.accent_soft, narrow=narrow))
    for node in nodes:
        at = places[node.name]
        x, y = (base, at) if narrow else (at, base)
        axes.plot([x], [y], "o", markersize=11, color=ink.accent, markeredgecolor=ink.page, markeredgewidth=2)
        texts = ((node.name, ink.text, "bold", None), (node.note, ink.muted, "normal", None))
        for row, (text, colour, weight, family) in enumerate(
            (*texts, (node.content_hash, ink.muted, "normal", "DejaVu Sans Mono"))
        ):
            place = (x + 18, y - 16 + 17 * row) if narrow else (x, y + 24 + 18 * row)
            axes.text(
                *place,
                text,
                ha="left" if narrow else "center",
                va="center",
                color=colour,
                weight=weight,
                size=13 if row == 0 else 11.5,
                family=family,
            )


def _arc(start: float, end: float, base: float, pitch: float, *, colour: str, narrow: bool) -> PathPatch:
    """Return an arc from one node to another; neighbours are joined by a straight line."""
    height = 0.0 if abs(end - start) < 1.5 * pitch else abs(end - start) / pitch * (18 if narrow else 29)
    points = [(start, base), (start, base - height), (end, base - height), (end, base)]
    vertices = [(y, x) if narrow else (x, y) for x, y in points]
    curve = Curve(vertices, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    return PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=1.8)
