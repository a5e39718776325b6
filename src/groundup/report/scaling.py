"""The picture of a fitted scaling law: residuals, loss against compute with the frontier, and isoFLOP valleys."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import ConfigError
from groundup.core.files import storage_errors
from groundup.core.units import format_count
from groundup.estimate.forecast import allocate, forecast
from groundup.estimate.laws import BEST_SIZES, LOSSES
from groundup.report.ink import LIGHT as INK
from groundup.report.ink import blend
from groundup.report.svg import PX_PER_INCH, STYLE
from groundup.scaling.points import Points

Array = NDArray[np.float64]
Panel = tuple[str, Callable[[Axes, Fit, Points], None]]
SUFFIXES = (".png", ".svg", ".pdf")
PANEL_PX, HEIGHT_PX, SCALE = 470, 430, 2
AHEAD = 30.0
"""Times the largest compute that the frontier is drawn to."""
VALLEYS = 5
"""Budgets whose valleys are drawn."""
NEAR = 1.25
"""Runs within this of a budget are drawn in its valley."""


def write_picture(fit: Fit, points: Points, path: Path) -> None:
    """Write a picture in the format that the name of the file asks for (.png, .svg, .pdf)."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--picture {path}: '{path.suffix}' is no kind of picture; name a {', '.join(SUFFIXES)} file")
    panels = _panels(fit)
    with mpl.rc_context({**STYLE, "font.size": 11}), storage_errors(path):
        size = (len(panels) * PANEL_PX / PX_PER_INCH, HEIGHT_PX / PX_PER_INCH)
        figure = Figure(figsize=size, dpi=PX_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15))
        for axes, (title, draw) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw(axes, fit, points)
            _dress(axes, title)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=PX_PER_INCH * SCALE, facecolor=INK.page)


def _panels(fit: Fit) -> list[Panel]:
    if fit.frontier:
        return [("Valleys of equal compute", _measured_valleys), ("Best size of each compute", _best_sizes)]
    panels: list[Panel] = [("Measured over fitted loss", _residuals), ("Loss against compute", _losses)]
    return [*panels, ("Valleys of equal compute", _fitted_valleys)] if fit.law in BEST_SIZES else panels


def _residuals(axes: Axes, fit: Fit, points: Points) -> None:
    """Draw what the law leaves of each point, by compute; a bend would say that the law is wrong."""
    shown = _used(fit, points)
    if shown is None:
        axes.plot(np.arange(1, len(fit.residuals) + 1), 100 * np.expm1(fit.residuals), "o", ms=3.5, color=INK.accent, alpha=0.7)
        axes.set_xlabel("points that the law is about")
    else:
        axes.scatter(shown.flops, 100 * np.expm1(fit.residuals), s=14, c=_shades(shown.params), alpha=0.85, linewidths=0)
        axes.set_xscale("log")
        axes.set_xlabel("compute [FLOPs]; darker: larger models")
    axes.axhline(0, color=INK.muted, lw=1)
    for sign in (-1, 1):
        axes.axhline(sign * 100 * fit.residual_std, color=INK.line, lw=1.2, ls="--")
    axes.set_ylabel("difference [%]; dashed: one standard deviation")


def _losses(axes: Axes, fit: Fit, points: Points) -> None:
    """Draw every point, and the least loss that the law allows at each compute, with its 95 % interval for a new run."""
    axes.scatter(points.flops, points.loss, s=14, c=_shades(points.params), alpha=0.85, linewidths=0)
    flops = np.geomspace(points.flops.min(), AHEAD * points.flops.max(), 40)
    if fit.law in BEST_SIZES:
        best = [allocate(fit, value) for value in flops]
        found = [forecast(fit, each.params, each.tokens) for each in best]
        axes.plot(flops, [each.loss for each in found], color=INK.bad, lw=2, label="frontier")
        if fit.draws:
            low, high = zip(*(each.interval_95 or (each.loss, each.loss) for each in found), strict=True)
            axes.fill_between(flops, low, high, color=INK.bad, alpha=0.15, lw=0, label="95 % of new runs")
        axes.legend(frameon=False, labelcolor=INK.text)
    elif fit.law == "kaplan-compute":
        axes.plot(flops, [float(LOSSES[fit.law]({"flops": value}, fit.params)) for value in flops], color=INK.bad, lw=2)
    axes.set(xscale="log", yscale="log", xlabel="compute [FLOPs]; darker: larger models", ylabel="loss [nats a token]")
    _plain_losses(axes)


def _fitted_valleys(axes: Axes, fit: Fit, points: Points) -> None:
    """Draw the law at some budgets over size, the runs near each, and the best size of each."""
    budgets = np.exp(np.quantile(np.log(points.flops), np.linspace(0.04, 0.96, VALLEYS)))
    for colour, budget in zip(_ramp(VALLEYS), budgets, strict=True):
        near = np.abs(np.log(points.flops / budget)) < np.log(NEAR)
        best = allocate(fit, budget)
        ends = [best.params / 6, best.params * 6, *points.params[near]]
        sizes = np.geomspace(min(ends), max(ends), 60)
        axes.plot(sizes, [forecast(fit, size, budget / 6 / size).loss for size in sizes], color=colour, lw=1.6)
        axes.plot(points.params[near], points.loss[near], "o", ms=4, color=colour, alpha=0.8)
        lowest = forecast(fit, best.params, best.tokens).loss
        axes.plot(best.params, lowest, "D", ms=7, color=INK.bad)
        end = forecast(fit, sizes[-1], budget / 6 / sizes[-1]).loss
        axes.annotate(f"{budget:.0e}", (sizes[-1], end), (3, 2), textcoords="offset points", color=colour, fontsize=10)
    _over_size(axes)


def _measured_valleys(axes: Axes, fit: Fit, points: Points) -> None:
    """Draw the runs of each budget over size, and the best size found."""
    for colour, best in zip(_ramp(len(fit.frontier)), fit.frontier, strict=True):
        near = np.abs(np.log(points.flops / best["flops"])) < np.log(NEAR)
        close = near & (np.abs(np.log(points.params / best["params"])) < np.log(40))
        order = np.flatnonzero(close)[np.argsort(points.params[close])]
        axes.plot(points.params[order], points.loss[order], "o-", ms=3.5, lw=1, color=colour, alpha=0.85)
        axes.plot(best["params"], best["loss"], "D", ms=6, color=INK.bad)
    _over_size(axes)


def _best_sizes(axes: Axes, fit: Fit, points: Points) -> None:
    """Draw the best sizes, the line through them, and its 95 % interval."""
    found = {name: np.array([best[name] for best in fit.frontier]) for name in ("flops", "params")}
    flops = np.geomspace(found["flops"].min(), AHEAD * found["flops"].max(), 40)
    lines = [allocate(fit, value) for value in flops]
    axes.plot(flops, [line.params for line in lines], color=INK.accent, lw=2, label=f"N ~ C^{fit.optimal['a']:.3f}")
    if fit.draws:
        low, high = zip(*(line.params_interval_95 or (line.params, line.params) for line in lines), strict=True)
        axes.fill_between(flops, low, high, color=INK.accent, alpha=0.2, lw=0, label="95 % of the line")
    axes.plot(found["flops"], found["params"], "D", ms=6, color=INK.bad)
    axes.legend(frameon=False, labelcolor=INK.text)
    axes.set(xscale="log", yscale="log", xlabel="compute [FLOPs]", ylabel="best size [parameters]")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))


def _over_size(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log", xlabel="size [parameters]; darker: more compute; red: best", ylabel="loss [nats a token]")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    _plain_losses(axes)


def _plain_losses(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = axes.get_ylim()
    if high / low < 8:
        axes.set_yticks(
            [value for value in (1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 5, 6, 8, 10, 15) if low <= value <= high]
        )
        axes.yaxis.set_minor_formatter(NullFormatter())


def _dress(axes: Axes, title: str) -> None:
    if "compute [FLOPs]" in axes.get_xlabel():
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}".replace("+", "")))
    axes.set_title(title, loc="left", color=INK.text, weight="bold", pad=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK.line)
    axes.tick_params(colors=INK.muted, which="both")
    axes.grid(visible=True, color=INK.line, lw=0.6)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK.muted)


def _ramp(count: int) -> list[str]:
    """Return so many shades, the strongest last."""
    return [blend(INK.text, INK.accent_soft, 1 - (place + 1) / count) for place in range(count)]


def _shades(values: Array) -> list[str]:
    logs = np.log(values)
    span = float(np.ptp(logs)) or 1.0
    return [blend(INK.text, INK.accent_soft, float(1 - (value - logs.min()) / span)) for value in logs]


def _used(fit: Fit, points: Points) -> Points | None:
    """Return the points that the residuals are of, where that is all of them."""
    return points if len(points) == len(fit.residuals) else None
