"""Pictures of number formats: their bits, how far apart their numbers lie, what they lose of normal numbers."""

import math
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from groundup.core.files import storage_errors
from groundup.estimate.formats import FORMATS
from groundup.estimate.formats.scaling import Projection, project_all
from groundup.plan.numbers import normal_sample
from groundup.report.ink import LIGHT
from groundup.report.svg import PX_PER_INCH, STYLE

SHOWN: Final = math.pi
"""The number whose bits are drawn."""
SAMPLE: Final = "512x512"
"""Normal numbers whose error is drawn, rows x columns."""
SCALE: Final = 2
_WIDTH = 900
_PART = {"sign": "#c2571a", "exponent": "#0f766e", "fraction": "#3b6fb6"}
_LINES = dict(zip(FORMATS, ("#1b211f", "#3b6fb6", "#0f766e", "#c2571a", "#b42318", "#8a6d00", "#6b4fa0"), strict=True))
_DECADES = (-9, 6)


def write_pictures(folder: Path) -> list[Path]:
    """Write numbers_bits.png, numbers_spacing.png and numbers_error.png into the folder, and return their paths."""
    pictures = {"numbers_bits": (420, _draw_bits), "numbers_spacing": (520, _draw_spacing), "numbers_error": (640, _draw_errors)}
    paths = []
    for name, (height, draw) in pictures.items():
        path = folder / f"{name}.png"
        with mpl.rc_context(STYLE), storage_errors(path):
            figure = Figure(figsize=(_WIDTH / PX_PER_INCH, height / PX_PER_INCH), dpi=PX_PER_INCH, layout="constrained")
            draw(figure.add_subplot())
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=PX_PER_INCH * SCALE, facecolor=LIGHT.page, metadata={"Software": None})
        paths.append(path)
    return paths


def _draw_bits(axes: Axes) -> None:
    """Draw a row of bits for each format, those of pi, sign, exponent and fraction in colours."""
    for row, found in enumerate(FORMATS.values()):
        pattern = int(found.encode(np.array([SHOWN]))[0])
        place = 0
        for part, bits in found.split(pattern).items():
            for bit in bits:
                axes.add_patch(Rectangle((place + 0.05, -row - 0.4), 0.9, 0.8, color=_PART[part], alpha=0.9))
                axes.text(place + 0.5, -row, bit, color="white", ha="center", va="center", size=11)
                place += 1
        stored = float(found.stored(np.array([SHOWN]))[0])
        axes.text(-0.4, -row, found.title, ha="right", va="center", weight="bold", color=LIGHT.text)
        axes.text(place + 0.4, -row, f"{stored:.9g}", ha="left", va="center", color=LIGHT.muted)
    for number, part in enumerate(_PART):
        axes.add_patch(Rectangle((17 + number * 6, -6.4), 0.9, 0.8, color=_PART[part]))
        axes.text(18.2 + number * 6, -6, part if part != "fraction" else "fraction, or value", va="center", color=LIGHT.text)
    axes.set(xlim=(-6, 39), ylim=(-len(FORMATS) + 0.3, 0.7), title="Pi in each format, bit by bit")
    axes.axis("off")


def _draw_spacing(axes: Axes) -> None:
    """Draw the distance between neighbours at each magnitude; of whole numbers with the scale that makes 1 the largest."""
    magnitudes = 2.0 ** np.arange(_DECADES[0] * math.log2(10), _DECADES[1] * math.log2(10), 0.125)
    for name, found in FORMATS.items():
        scale = 1 / found.largest if not found.exponent_bits else 1.0
        reached = magnitudes[(magnitudes <= found.largest * scale)]
        spacing = [found.spacing(value / scale) * scale for value in reached.tolist()]
        label = found.title if found.exponent_bits else f"{found.title}, scaled to reach 1"
        axes.loglog(reached, spacing, color=_LINES[name], label=label, drawstyle="steps-post", linewidth=1.8)
        axes.plot(reached[-1], spacing[-1], marker="|" if reached[-1] < magnitudes[-1] else "", color=_LINES[name], markersize=14)
    axes.loglog(magnitudes, magnitudes, color=LIGHT.bar, linestyle=":", label="spacing = magnitude")
    axes.set(xlabel="magnitude of the number", ylabel="distance to the next number", ylim=(1e-14, 1e5), xlim=(1e-9, 1e6))
    axes.set_title("Floats: a share of the number; whole numbers: the same everywhere")
    axes.grid(color=LIGHT.line, linewidth=0.6)
    axes.legend(fontsize=11, loc="lower right", framealpha=0.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0e}")


def _draw_errors(axes: Axes) -> None:
    """Draw the error of normal numbers, by format and scaling."""
    rows = project_all(normal_sample(SAMPLE, seed=0), list(FORMATS.values()))
    for place, row in enumerate(rows):
        axes.barh(-place, row.sqnr_db, color=_LINES[row.format], height=0.75)
        axes.text(row.sqnr_db + 1, -place, f"{row.sqnr_db:.1f} dB", va="center", size=10, color=LIGHT.muted)
    axes.set_yticks([-place for place in range(len(rows))], [_label(row) for row in rows], size=10)
    axes.set(xlabel="signal to noise [dB], more is better; 6 dB are one bit", xlim=(0, 170), ylim=(-len(rows) + 0.4, 0.6))
    axes.set_title(f"What is lost of {SAMPLE.replace('x', ' x ')} normal numbers")
    axes.spines[["top", "right"]].set_visible(False)


def _label(row: Projection) -> str:
    shared = {None: "", "tensor": "one scale", "row": "a scale a row", "group": f"a scale for {row.group_size}"}[row.granularity]
    method = "" if row.method == "none" else f", {row.method.replace('_', '-')}, "
    return f"{FORMATS[row.format].title}{method}{shared}"
