"""The file of earlier runs as a table for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table

from groundup.artifacts.plan import Correction
from groundup.core.units import format_bytes, format_seconds
from groundup.estimate.calibration.corrections import MIN_RUNS
from groundup.estimate.calibration.overview import AMOUNTS, AmountErrors, Overview

_FIELDS = ("shape", "precision", "compiled", "recompute")


def render(found: Overview) -> RenderableType:
    """Return where the file is, whose it is, and how far forecasts were off by kind of run."""
    others = f"; {found.other_runs:,} of other machines or versions are passed over" if found.other_runs else ""
    head = f"{found.file}: {found.runs:,} runs of this machine ({found.machine.words()}){others}"
    if not found.kinds:
        return f"{head}\nEach run of at least 10 steps adds one; from {MIN_RUNS} alike runs on, forecasts are corrected by them."
    table = Table("runs like", "runs", "forecast of", "off by", "correction", "then off by", "rests on", box=None)
    for kind in found.kinds:
        for number, amount in enumerate(kind.amounts):
            first = (kind.kind.words(_FIELDS), str(kind.runs)) if number == 0 else ("", "")
            table.add_row(*first, AMOUNTS[amount.what], f"{amount.error:.1%}", *_correction(amount))
    return Group(head, table, "Errors after correction are of each run corrected by the others alone.")


def _correction(amount: AmountErrors) -> tuple[str, str, str]:
    found = amount.correction
    return ("none", "", "") if found is None else (how(found), f"{found.error_after:.1%}", f"{found.runs} runs")


def how(correction: Correction) -> str:
    """Return what the correction does to a forecast."""
    if correction.way == "factor":
        return f"times {correction.value:.3g}"
    size = abs(correction.value)
    units = {"growth_bytes": format_bytes(size), "loss": f"{size:.2f} nats"}
    return f"{'plus' if correction.value >= 0 else 'minus'} {units.get(correction.what, format_seconds(size))}"
