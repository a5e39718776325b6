"""A run's held-out losses drawn over its band."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from groundup.artifacts.band import BandFacts
from groundup.core.files import write_bytes
from groundup.core.units import format_count

Curve = Sequence[tuple[int, float]]
"""(tokens, loss) of each evaluation."""
_BAND, _MIDDLE, _RUN, _OUTSIDE, _MUTED = "#0f766e", "#0f766e", "#1b211f", "#b42318", "#5c6763"
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "groundup", "font.family": ["DejaVu Sans"], "font.size": 12}
_ROOM = 0.1
"""Of the height of all that is drawn, below and above it."""


def write(path: Path, band: BandFacts, curve: Curve, marks: Curve = ()) -> None:
    """Draw band, curve, and where the run left the band, and write the picture (SVG)."""
    with mpl.rc_context(_STYLE):
        figure = draw(band, curve, marks)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    write_bytes(path, buffer.getvalue())


def draw(band: BandFacts, curve: Curve, marks: Curve) -> Figure:
    """Return the picture: loss over tokens, both bounds of the band, the run's evaluations, those that ended outside marked."""
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    tokens = [point.tokens for point in band.points]
    for level, shade in ((95, 0.16), (80, 0.24)):
        low, high = ([getattr(point, f"{end}_{level}") for point in band.points] for end in ("low", "high"))
        axes.fill_between(tokens, low, high, color=_BAND, alpha=shade, linewidth=0, label=f"{level} % expected")
    axes.plot(tokens, [point.loss for point in band.points], color=_MIDDLE, linewidth=1.2, label="middle")
    if curve:
        places, losses = zip(*curve, strict=True)
        axes.plot(places, losses, "o-", color=_RUN, linewidth=1.4, markersize=3.5, label="run")
    shown = [loss for _, loss in curve] + [bound for point in band.points for bound in (point.low_95, point.high_95)]
    room = _ROOM * (max(shown) - min(shown))
    for place, loss in marks:
        axes.plot([place], [loss], "o", color=_OUTSIDE, markersize=9, markerfacecolor="none", markeredgewidth=2)
        axes.annotate("left the band", (place, loss), (8, 8), textcoords="offset points", color=_OUTSIDE)
    axes.set_ylim(min(shown) - room, max(shown) + room)
    axes.set_xlim(0, band.tokens * 1.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value) if value else "0"))
    axes.set_xlabel("tokens of training", color=_MUTED)
    axes.set_ylabel("held-out loss [nats a token]", color=_MUTED)
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
    return figure
