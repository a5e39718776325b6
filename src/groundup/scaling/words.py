"""Fits and forecasts for a person."""

from groundup.artifacts.scaling_fit import Fit
from groundup.core.units import format_count
from groundup.estimate.forecast import Forecast


def of_fit(fit: Fit) -> str:
    """Return a line for each constant, then how well the law describes the runs."""
    lines = [f"{fit.law} by {fit.objective}: {fit.points_used:,} points of {fit.runs_used:,} runs, {_left_out(fit)} rows left out"]
    for name, value in {**fit.params, **fit.optimal}.items():
        ends = fit.intervals_95.get(name)
        sure = f"   standard error {fit.standard_errors[name]:.4g}, 95 % [{ends[0]:.6g}, {ends[1]:.6g}]" if ends else ""
        known = "   given" if name in fit.fixed else sure
        lines.append(f"  {name:<8} {value:<12.6g}{known}")
    lines.append(f"params counts: {fit.counts}; {_what(fit)} lie {fit.residual_std:.2%} about the law")
    if fit.validation is not None:
        held = fit.validation
        lines.append(
            f"without the {held.runs} largest of {held.runs + held.fitted_runs} runs ({held.flops_ratio:.3g} times the "
            "compute of the rest): "
            f"error {held.error:.2%}, of 'as the best so far' {held.error_of_last:.2%}; {held.inside_95:.0%} inside their 95 "
            "% interval"
        )
    if fit.rolling is not None:
        lines.append(
            f"next larger run from the smaller ones, {fit.rolling.forecasts} times: error {fit.rolling.error:.2%}, "
            f"{fit.rolling.spread:.2f} times what the intervals say"
        )
    spans = ", ".join(f"{name} {_short(name, span.low)} to {_short(name, span.high)}" for name, span in fit.spans.items())
    lines.append(f"runs: {spans}")
    return "\n".join(lines)


def of_forecast(found: Forecast) -> str:
    """Return the loss with its intervals."""
    lines = [f"loss {found.loss:.4f} nats a token at {found.flops:.3g} FLOPs"]
    for level, ends in (("80", found.interval_80), ("95", found.interval_95)):
        if ends is not None:
            lines.append(f"  {level} %  {ends[0]:.4f} to {ends[1]:.4f}")
    return "\n".join(lines)


def _short(name: str, value: float) -> str:
    return f"{value:.3g}" if name in ("flops", "loss") else format_count(value)


def _what(fit: Fit) -> str:
    return "best sizes" if fit.frontier else "measured losses"


def _left_out(fit: Fit) -> int:
    """Return how many points the fit does not use; an entry without a number is one."""
    return sum(each.get("points", 1) for each in fit.dropped)
