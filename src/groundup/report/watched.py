"""A run's held-out losses beside the band that it was watched by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from groundup.artifacts.band import Band, BandFacts
from groundup.core.errors import ArtifactError
from groundup.report.charts import frame
from groundup.report.facts import Facts, HeldOutFacts
from groundup.report.ink import VARIABLES, Ink
from groundup.report.reading import read_facts
from groundup.report.svg import NARROW_PX, WIDE_PX, Chart, Size, to_svg

WATCH_FILE = "watch.json"


class Left(Facts):
    """Where the run left its band."""

    step: int
    tokens: int
    side: str
    loss: float
    expected: float
    low: float
    high: float
    stopped: bool = False


class _WatchFacts(Facts):
    """pretrain/watch.json."""

    band: str
    content_hash: str
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Watched:
    """What the watch over a run found."""

    left: tuple[Left, ...]
    band: BandFacts | None
    """None if the band is gone, or another lies there now."""


def read_watched(pretrain: Path) -> Watched | None:
    """Return what the watch found; None if the run was not watched."""
    if not (pretrain / WATCH_FILE).is_file():
        return None
    found = read_facts(pretrain / WATCH_FILE, _WatchFacts)
    try:
        band = Band.open(Path(found.band))
    except ArtifactError:
        return Watched(found.left, None)
    return Watched(found.left, band.facts if band.content_hash == found.content_hash else None)


def watch_chart(watched: Watched | None, scores: Sequence[HeldOutFacts]) -> Chart | None:
    """Return the scores drawn over the band; None if there is no band, or no score yet."""
    if watched is None or watched.band is None or not scores:
        return None
    band = watched.band
    alt = f"Held-out loss after {scores[-1].tokens:,} tokens is {scores[-1].loss:.2f}, over the band that smaller runs let expect"

    def one(size: Size, kind: str) -> Markup:
        return to_svg(f"watch-{kind}", alt, size, lambda axes: _draw(axes, band, scores, watched.left, size, VARIABLES))

    return Chart(one(Size(WIDE_PX, 340), "w"), one(Size(NARROW_PX, 280), "n"))


def _draw(axes: Axes, band: BandFacts, scores: Sequence[HeldOutFacts], left: Sequence[Left], size: Size, ink: Ink) -> None:
    """Draw both intervals of the band, its middle, the run's scores, and where it left the band."""
    frame(axes, size, ink, left=38, bottom=46, top=34, right=4)
    tokens = [point.tokens for point in band.points]
    for level, shade in ((95, 0.16), (80, 0.24)):
        low, high = ([getattr(point, f"{end}_{level}") for point in band.points] for end in ("low", "high"))
        axes.fill_between(tokens, low, high, color=ink.accent, alpha=shade, linewidth=0)
    axes.plot(tokens, [point.loss for point in band.points], color=ink.accent, linewidth=1.2)
    axes.plot(
        [score.tokens for score in scores], [score.loss for score in scores], "o-", color=ink.text, linewidth=1.4, markersize=4
    )
    for each in left:
        axes.plot([each.tokens], [each.loss], "o", color=ink.bad, markersize=10, markerfacecolor="none", markeredgewidth=2)
    axes.set_xlabel("tokens of training", color=ink.muted)
    above = (0, 1 + 30 / (size.height - 80))
    axes.annotate("held-out loss [nats per token]", above, (-38, 0), "axes fraction", "offset points", va="top", color=ink.muted)
