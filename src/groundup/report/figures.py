"""The charts of a run as they stand on the page: in two widths, in the page's colours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from groundup.core.units import format_bytes
from groundup.report import charts as draw
from groundup.report.charts import Bar, Curve2D, Node
from groundup.report.facts import FunnelStage, StepFacts
from groundup.report.gather import RunFacts, predicted_memory
from groundup.report.ink import VARIABLES, Ink
from groundup.report.sharing import sharing_bars, shown
from groundup.report.svg import NARROW_PX, WIDE_PX, Chart, Size, to_svg
from groundup.report.view import Score, line, memory_parts, scores
from groundup.report.watched import watch_chart

SMALL_PX = 280
SMALL = {
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "update_ratio": "update over weights",
    "tokens_per_s": "tokens per second",
}
"""Quantity of a step -> title of its chart."""


@dataclass(frozen=True)
class PageCharts:
    """The charts of the page; None or empty where the run has no data for them yet."""

    bits: Chart | None
    loss: Chart | None
    watch: Chart | None
    small: tuple[tuple[str, Markup], ...]
    memory: Chart | None
    funnel: Chart | None
    line: Chart
    sharing: Chart | None


def charts(facts: RunFacts) -> PageCharts:
    """Return the charts that the run has data for."""
    stages = facts.funnel.stages if facts.funnel is not None else ()
    has_curve = len(facts.steps) > 1
    return PageCharts(
        bits=bar_chart("bits", "Bits per byte of held-out text", bits_bars(scores(facts), VARIABLES)) if scores(facts) else None,
        loss=loss_chart(facts) if has_curve else None,
        watch=watch_chart(facts.watched, facts.held_out),
        small=small_charts(facts.steps),
        memory=bar_chart("memory", "Peak memory", memory_bars(facts, VARIABLES)) if memory_parts(facts) else None,
        funnel=bar_chart("funnel", "Text left after each step", funnel_bars(stages, VARIABLES)) if stages else None,
        line=line_chart(line(facts)),
        sharing=bar_chart("sharing", "Share of a step in which it computes", sharing_bars(shown(facts.shares), VARIABLES))
        if facts.shares
        else None,
    )


def bar_chart(name: str, title: str, rows: Sequence[Bar]) -> Chart:
    """Return the bars for wide screens and for phones."""
    alt = f"{title}: " + "; ".join(f"{row.label} {row.value}" for row in rows)

    def one(width: float, narrow: bool) -> Markup:
        size = draw.bars_size(len(rows), width, narrow)
        return to_svg(
            f"{name}-{'n' if narrow else 'w'}", alt, size, lambda axes: draw.draw_bars(axes, rows, size, VARIABLES, narrow)
        )

    return Chart(one(WIDE_PX, narrow=False), one(NARROW_PX, narrow=True))


def bits_bars(rows: Sequence[Score], ink: Ink) -> tuple[Bar, ...]:
    """Return the bars of the evaluation."""
    return tuple(
        Bar(row.name, ((row.bits_per_byte, ink.accent if row.is_model else ink.bar),), f"{row.bits_per_byte:.2f}", row.is_model)
        for row in rows
    )


def funnel_bars(stages: Sequence[FunnelStage], ink: Ink) -> tuple[Bar, ...]:
    """Return what each step received: kept in the accent, dropped in its shade."""
    return tuple(
        Bar(
            stage.stage.replace("_", " "),
            ((stage.bytes_out, ink.accent), (max(stage.bytes_in - stage.bytes_out, 0), ink.accent_soft)),
            f"{stage.docs_out:,} docs, {format_bytes(stage.bytes_out)}",
            stage is stages[-1],
        )
        for stage in stages
    )


def memory_bars(facts: RunFacts, ink: Ink) -> tuple[Bar, ...]:
    """Return the predicted peak by component, above the measured one."""
    assert facts.forecast is not None, "only called with a plan"
    parts = tuple((float(part.bytes), ink.ramp[part.shade]) for part in memory_parts(facts))
    rows = [Bar("predicted", parts, format_bytes(predicted_memory(facts.forecast)))]
    if facts.memory is not None:
        peak = facts.memory.peak_memory_bytes
        rows.append(Bar("measured", ((float(peak), ink.bar),), format_bytes(peak), strong=True))
    return tuple(rows)


def loss_curve(steps: Sequence[StepFacts]) -> Curve2D:
    """Return the training loss by step."""
    return Curve2D(np.array([step.step for step in steps], np.float64), np.array([step.loss for step in steps], np.float64))


def held_out_loss(facts: RunFacts) -> Curve2D | float | None:
    """Return the loss on held-out text while the run trained, or else of the finished model."""
    if facts.held_out:
        return Curve2D(*(np.array(column, np.float64) for column in zip(*((e.step, e.loss) for e in facts.held_out), strict=True)))
    return facts.evaluation.nll_per_token if facts.evaluation is not None else None


def loss_chart(facts: RunFacts) -> Chart:
    """Return the training loss over the steps."""
    curve = loss_curve(facts.steps)
    held_out = held_out_loss(facts)
    last = draw.smoothed(curve.values)[-1]
    alt = f"Training loss goes from {curve.values[0]:.2f} to {last:.2f} nats per token in {facts.steps[-1].step:,} steps"
    if facts.held_out:
        alt += f"; that of held-out text from {facts.held_out[0].loss:.2f} to {facts.held_out[-1].loss:.2f}"

    def one(size: Size, kind: str) -> Markup:
        return to_svg(f"loss-{kind}", alt, size, lambda axes: draw.draw_loss(axes, curve, held_out, size, VARIABLES))

    return Chart(one(Size(WIDE_PX, 340), "w"), one(Size(NARROW_PX, 280), "n"))


def small_charts(steps: Sequence[StepFacts]) -> tuple[tuple[str, Markup], ...]:
    """Return (title, chart) of the quantities beside the loss."""
    made = []
    for field, title in SMALL.items():
        points = [(step.step, getattr(step, field)) for step in steps if getattr(step, field) is not None]
        if len(points) > 1:
            curve = Curve2D(*(np.array(column, np.float64) for column in zip(*points, strict=True)))
            made.append((title, to_svg(field.replace("_", "-"), f"{title} by step", Size(SMALL_PX, 130), _small(curve))))
    return tuple(made)


def _small(curve: Curve2D) -> Callable[[Axes], None]:
    return lambda axes: draw.draw_small(axes, curve, Size(SMALL_PX, 130), VARIABLES)


def line_chart(nodes: Sequence[Node]) -> Chart:
    """Return the drawing of the line."""
    alt = "The line: " + "; ".join(f"{node.name} from {', '.join(node.inputs) or 'the sources'}" for node in nodes)

    def one(width: float, narrow: bool) -> Markup:
        size = draw.line_size(len(nodes), width, narrow)
        return to_svg(
            f"line-{'n' if narrow else 'w'}", alt, size, lambda axes: draw.draw_line(axes, nodes, size, VARIABLES, narrow)
        )

    return Chart(one(WIDE_PX, narrow=False), one(NARROW_PX, narrow=True))
