"""The picture of a comparison of tokenizers: bytes a token beside domain words that stay whole."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from groundup.core.files import storage_errors
from groundup.report.charts import Bar, bars_size, draw_bars
from groundup.report.ink import LIGHT
from groundup.report.svg import PX_PER_INCH, STYLE, Size
from groundup.tokenizer.compare import Comparison, Fit

PANEL_PX = 520
SCALE = 2
_MARGIN, _TOP = 30, 56


def write_picture(comparison: Comparison, path: Path) -> None:
    """Write a picture in the format that the name of the file asks for (.png, .svg, .pdf)."""
    panels = [("Bytes of text a token: longer is better", [_bar(fit, fit.bytes_per_token, "{:.2f}") for fit in comparison.fits])]
    if comparison.fits[0].words:
        panels.append(("Domain words kept whole", [_bar(fit, fit.whole_words, "{:.0%}") for fit in comparison.fits]))
    size = bars_size(len(comparison.fits), PANEL_PX, narrow=False)
    width, height = len(panels) * (PANEL_PX + _MARGIN) + _MARGIN, _TOP + size.height + _MARGIN
    with mpl.rc_context(STYLE), storage_errors(path):
        figure = Figure(figsize=(width / PX_PER_INCH, height / PX_PER_INCH), dpi=PX_PER_INCH)
        for place, (title, bars) in enumerate(panels):
            left = _MARGIN + place * (PANEL_PX + _MARGIN)
            axes = figure.add_axes((left / width, _MARGIN / height, PANEL_PX / width, size.height / height))
            draw_bars(axes, bars, Size(PANEL_PX, size.height), LIGHT, narrow=False)
            figure.text(left / width, 1 - _TOP / 2 / height, title, color=LIGHT.text, size=16, weight="bold", va="center")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=PX_PER_INCH * SCALE, facecolor=LIGHT.page)


def _bar(fit: Fit, value: float, form: str) -> Bar:
    return Bar(f"{fit.name} ({fit.vocab_size:,})", ((value, LIGHT.accent),), form.format(value))
