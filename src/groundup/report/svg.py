"""Drawings to inline SVG that takes its colours and fonts from the page around it."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundup.report.ink import to_variables

PX_PER_INCH = 72
"""An SVG point of matplotlib is one pixel of the page."""
WIDE_PX = 880
NARROW_PX = 380
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "groundup",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 14,
    "path.simplify": True,
}
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
Draw = Callable[[Axes], None]


@dataclass(frozen=True)
class Size:
    """Width and height of a drawing [pixels]."""

    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """One chart for wide screens and one for phones; the page shows the one that fits."""

    wide: Markup
    narrow: Markup


def new_figure(size: Size) -> tuple[Figure, Any]:
    """Return an empty transparent figure with axes over all of it."""
    figure = Figure(figsize=(size.width / PX_PER_INCH, size.height / PX_PER_INCH), dpi=PX_PER_INCH)
    figure.patch.set_alpha(0)
    return figure, figure.add_axes((0, 0, 1, 1))


def to_svg(name: str, alt: str, size: Size, draw: Draw) -> Markup:
    """Return the drawing as an `<svg>` element; ids start with `name`, so that several fit in one page."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has the letter
        figure, axes = new_figure(size)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    inner = body[body.index(">") + 1 :]
    inner = _keep_used_ids(inner, name)
    inner = inner.replace("'DejaVu Sans Mono'", "var(--mono)").replace("'DejaVu Sans'", "var(--sans)")
    head = f'<svg {NAMESPACES} viewBox="0 0 {size.width:g} {size.height:g}" role="img" aria-label="{escape(alt)}">'
    return Markup(head + to_variables(inner))  # noqa: S704  matplotlib escapes the texts it writes


def _keep_used_ids(svg: str, name: str) -> str:
    """Prefix the ids that are referred to, and take out the others."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", svg)
