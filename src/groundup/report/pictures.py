"""The picture of a run for a README: loss curve beside bits per byte."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors
from groundup.core.units import format_count, format_seconds
from groundup.report.charts import draw_bars, draw_loss
from groundup.report.figures import bits_bars, held_out_loss, loss_curve
from groundup.report.gather import RunFacts, gather
from groundup.report.ink import DARK, LIGHT, Ink
from groundup.report.svg import PX_PER_INCH, STYLE, Size
from groundup.report.view import scores

WIDTH, HEIGHT = 1200, 420
SCALE = 2
_MARGIN, _TOP, _GAP = 36, 72, 56


def write_pictures(run: Path, folder: Path) -> list[Path]:
    """Write demo.png and demo-dark.png (for dark pages) into the folder and return their paths.

    Raises ArtifactError if the run is not trained and evaluated.
    """
    facts = gather(run)
    if facts.evaluation is None or len(facts.steps) < 2:
        raise ArtifactError(f"{run}: not trained and evaluated yet, so there is nothing to draw; 'groundup run' finishes it")
    pictures = {folder / "demo.png": LIGHT, folder / "demo-dark.png": DARK}
    for path, ink in pictures.items():
        with mpl.rc_context(STYLE), storage_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            _draw(facts, ink).savefig(path, dpi=PX_PER_INCH * SCALE, facecolor=ink.page, metadata={"Software": None})
    return list(pictures)


def _draw(facts: RunFacts, ink: Ink) -> Figure:
    """Return the figure: two titled panels side by side."""
    assert facts.evaluation is not None, "checked by the caller"
    figure = Figure(figsize=(WIDTH / PX_PER_INCH, HEIGHT / PX_PER_INCH), dpi=PX_PER_INCH)
    panel = Size((WIDTH - 2 * _MARGIN - _GAP) / 2, HEIGHT - _TOP - _MARGIN)
    cells = figure.add_gridspec(
        3, 5, width_ratios=(_MARGIN, panel.width, _GAP, panel.width, _MARGIN), height_ratios=(_TOP, panel.height, _MARGIN)
    )
    cells.update(wspace=0, hspace=0)
    axes = [figure.add_subfigure(cells[1, column]).add_axes((0, 0, 1, 1)) for column in (1, 3)]
    draw_loss(axes[0], loss_curve(facts.steps), held_out_loss(facts), panel, ink)
    bars = bits_bars(scores(facts), ink)
    draw_bars(axes[1], bars, panel, ink, narrow=False)
    time = f" in {format_seconds(facts.speed.train_s)}" if facts.speed is not None else ""
    titles = (
        f"Training loss: {format_count(float(facts.tokens_seen))} tokens{time}",
        "Bits per byte of held-out text: shorter is better",
    )
    for i, title in enumerate(titles):
        x = _MARGIN + i * (panel.width + _GAP)
        figure.text(x / WIDTH, 1 - _TOP / 2 / HEIGHT, title, color=ink.text, size=17, weight="bold", va="center")
    return figure
