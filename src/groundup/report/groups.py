"""What the stages did to documents that name groups of people, one small drawing a stage: differences with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from groundup.report.curation import GroupFacts, GroupStage
from groundup.report.ink import VARIABLES, Ink
from groundup.report.svg import Size, to_svg

MIN_DOCUMENTS = 20
"""Intervals of fewer documents fill the drawing and say little; the table has them."""
_WIDTH, _LABEL, _PITCH, _BOTTOM, _RIGHT = 320.0, 142.0, 17.0, 26.0, 10.0
_MAX_LABEL_LEN = 20


@dataclass(frozen=True)
class Drawn:
    """The groups at one stage."""

    stage: str
    documents: int
    dropped: int
    svg: Markup


def drawn_groups(groups: Sequence[GroupFacts]) -> list[Drawn]:
    """Return a drawing for each stage that dropped something, all stages together first."""
    by_stage: dict[str, list[tuple[str, GroupStage]]] = {}
    for one in groups:
        for stage in (one.whole, *one.stages):
            by_stage.setdefault(stage.stage, [])
            if stage.difference is not None and stage.came >= MIN_DOCUMENTS:
                by_stage[stage.stage].append((one.group, stage))
    order = [stage.stage for stage in max(groups, key=lambda one: len(one.stages)).stages] if groups else []
    names = [name for name in by_stage if name not in order] + order
    return [_drawn(number, name, by_stage[name]) for number, name in enumerate(names) if by_stage[name]]


def _drawn(number: int, name: str, rows: Sequence[tuple[str, GroupStage]]) -> Drawn:
    first = rows[0][1]
    size = Size(_WIDTH, _PITCH * len(rows) + _BOTTOM + 4)
    told = ", ".join(f"{group} {100 * stage.value:+.1f}" for group, stage in rows)
    alt = f"{name}: percentage points by which documents that name a group were dropped more often than others: {told}"
    svg = to_svg(f"groups-{number}", alt, size, lambda axes: draw_groups(axes, rows, size, VARIABLES))
    return Drawn(name, first.came + first.others_came, first.dropped + first.others_dropped, svg)


def draw_groups(axes: Axes, rows: Sequence[tuple[str, GroupStage]], size: Size, ink: Ink) -> None:
    """Draw differences as points on their intervals, from above down; those surely above zero in the colour of what is bad."""
    inner = (size.width - _LABEL - _RIGHT, size.height - _BOTTOM - 4)
    axes.set_position((_LABEL / size.width, _BOTTOM / size.height, inner[0] / size.width, inner[1] / size.height))
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ink.line)
    axes.axvline(0, color=ink.muted, linewidth=1)
    for place, (_, stage) in enumerate(rows):
        difference = stage.difference
        assert difference is not None, "rows without a difference are not drawn"
        colour = ink.bad if difference.low > 0 else ink.accent if difference.high < 0 else ink.muted
        axes.plot([100 * difference.low, 100 * difference.high], [place, place], color=colour, linewidth=1.6)
        axes.plot([100 * difference.value], [place], "o", color=colour, markersize=4.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [_clip(group) for group, _ in rows])
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"))
    axes.tick_params(colors=ink.muted, length=0, pad=5, labelsize=12)
    axes.tick_params(axis="y", labelsize=11)


def _clip(group: str) -> str:
    name = group.partition("/")[2] or group
    return name if len(name) <= _MAX_LABEL_LEN else name[: _MAX_LABEL_LEN - 1] + "…"
