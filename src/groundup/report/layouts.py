"""The picture of a plan's layouts: speed against devices, memory against strategy."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator

from groundup.core.files import storage_errors
from groundup.core.units import format_count
from groundup.estimate.layout.curves import Point, Strategy, by_devices, by_strategy
from groundup.estimate.layout.problem import Problem
from groundup.report.ink import LIGHT
from groundup.report.svg import PX_PER_INCH, STYLE

GIB = 2**30
WIDTH_PX, HEIGHT_PX, SCALE = 1240, 520, 2
GROUPS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("weights", ("weights", "gathered"), LIGHT.ramp[0]),
    ("gradients", ("gradients",), LIGHT.ramp[2]),
    ("master weights, optimizer", ("master_weights", "optimizer"), LIGHT.ramp[4]),
    ("activations, logits", ("activations", "logits"), LIGHT.muted),
    ("buffers", ("buffers",), LIGHT.bar),
    ("margin", ("margin",), LIGHT.line),
)
_MOST_LABEL = 34
_ROOM = 1.9
"""Bars are cut at so many times the device's memory."""


def write_picture(problem: Problem, path: Path) -> None:
    """Write the picture in the format that the name of the file asks for (.png, .svg, .pdf)."""
    points, strategies = by_devices(problem), by_strategy(problem)
    with mpl.rc_context({**STYLE, "font.size": 12}), storage_errors(path):
        figure = Figure(figsize=(WIDTH_PX / PX_PER_INCH, HEIGHT_PX / PX_PER_INCH), dpi=PX_PER_INCH)
        speed, memory = figure.add_axes((0.07, 0.13, 0.35, 0.75)), figure.add_axes((0.65, 0.13, 0.34, 0.75))
        _draw_speed(speed, points)
        _draw_memory(memory, strategies, problem)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=PX_PER_INCH * SCALE, facecolor=LIGHT.page)


def _draw_speed(axes: Axes, points: list[Point]) -> None:
    axes.set_title("Tokens a second against devices, same batch", loc="left", color=LIGHT.text, weight="bold", fontsize=14)
    if not points:
        axes.text(0.5, 0.5, "nothing fits", ha="center", color=LIGHT.muted, transform=axes.transAxes)
        return
    counts = [point.devices for point in points]
    ideal = [points[0].tokens_per_s / counts[0] * count for count in counts]
    axes.plot(counts, ideal, color=LIGHT.muted, linestyle=":", label=f"as on {counts[0]:,}")
    bounds = [point.low for point in points], [point.high for point in points]
    axes.fill_between(counts, *bounds, color=LIGHT.accent_soft, alpha=0.5, label="90 % of published runs", linewidth=0)
    axes.plot(counts, [point.tokens_per_s for point in points], color=LIGHT.accent, marker="o", label="fastest layout that fits")
    for point, at in zip(points, ideal, strict=True):
        layout, share = point.best.layout, point.tokens_per_s / at
        mesh = "x".join(str(getattr(layout, axis)) for axis in ("dp", "tp", "pp"))
        axes.annotate(
            f"{mesh}\n{share:.0%}", (point.devices, point.low), (0, -6), textcoords="offset points", ha="center", va="top",
            color=LIGHT.muted, fontsize=9,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{count:,}" for count in counts]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(float(value))))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=min(bounds[0]) / 1.9)
    axes.margins(x=0.1)
    axes.set_xlabel("devices; below the points dp x tp x pp, and the share of the dotted line")
    axes.legend(loc="upper left", frameon=False, labelcolor=LIGHT.text)
    _plain(axes)


def _draw_memory(axes: Axes, strategies: list[Strategy], problem: Problem) -> None:
    device = problem.hardware
    axes.set_title(f"GiB a device on {problem.devices} {device.name}", loc="left", color=LIGHT.text, weight="bold", fontsize=14)
    longest = device.memory_gib * _ROOM
    for row, each in enumerate(strategies):
        lines, left = each.memory.lines, 0.0
        for name, keys, colour in GROUPS:
            size = sum(size for line, size in lines.items() if line in keys) / GIB
            shown = max(0.0, min(size, longest - left))
            axes.barh(row, shown, 0.62, left, color=colour, edgecolor=LIGHT.page, label=name if row == 0 else None)
            left += size
        text = f"{each.memory.total / GIB:.0f}" + ("" if each.fits else " does not fit")
        axes.text(min(left, longest) + longest * 0.01, row, text, va="center", color=LIGHT.good if each.fits else LIGHT.bad)
    axes.axvline(device.memory_gib, color=LIGHT.bad, linewidth=1.2)
    axes.text(device.memory_gib, -0.55, f" {device.memory_gib:.0f} GiB", color=LIGHT.bad, va="bottom", fontsize=10)
    axes.set_yticks(range(len(strategies)), [_wrapped(each.name) for each in strategies])
    axes.set_xlim(0, longest * 1.3)
    axes.set_ylim(len(strategies) + 0.9, -0.8)
    axes.set_xlabel("micro-batch 1, nothing computed again unless said")
    axes.legend(
        loc="lower right", facecolor=LIGHT.page, edgecolor=LIGHT.page, framealpha=1, ncols=2, fontsize=9.5, labelcolor=LIGHT.text
    )
    _plain(axes)


def _wrapped(name: str) -> str:
    """Return the name on as many lines as it needs."""
    lines, line = [], ""
    for word in name.split(" "):
        if line and len(line) + len(word) + 1 > _MOST_LABEL:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT.line)
    axes.tick_params(colors=LIGHT.muted)
    axes.xaxis.label.set_color(LIGHT.muted)
