"""A trained classifier as a terminal shows it."""

from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

_SHOWN = 10
"""Telling features of each side."""


def render(out: Path, facts: dict[str, Any]) -> Group:
    """Return figures, suggested threshold, the most telling features, and how to use the classifier."""
    quality, examples = facts["quality"], facts["examples"]
    sizes = ", ".join(f"{examples[side]['taken']:,} {side} ({examples[side]['passages']:,} passages)" for side in ("good", "bad"))
    lines = [
        f"{out}: trained on 70 % of {sizes}; threshold for {facts['keep_good']:.0%} of the good: {facts['threshold']:g}",
        f"of {quality['good_documents']:,} good and {quality['bad_documents']:,} bad documents held out from all of that: "
        f"AUC {quality['auc']:.4f}, Brier score {quality['brier']:.4f}",
    ]
    set_of_rules = f"{{name: mine, classifier: {out}, rules: [{{measure: classifier_score, at_least: {facts['threshold']:g}}}]}}"
    use = f"use it: curate.rules: [{set_of_rules}]"
    return Group(*map(Text, lines), _thresholds(quality), Text("what speaks for each side:"), _telling(facts["telling"]), Text(use))


def _thresholds(quality: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("threshold", "good kept", "bad kept", "precision", "accuracy"):
        table.add_column(column, justify="right")
    for found in (quality["suggested"], quality["even"]):
        precision = f"{found['precision']:.1%}" if found["precision"] is not None else "-"
        shares = (f"{found[key]:.1%}" for key in ("good_kept", "bad_kept"))
        table.add_row(f"{found['threshold']:g}", *shares, precision, f"{found['accuracy']:.1%}")
    return table


def _telling(telling: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for side in ("good", "bad"):
        table.add_column(f"of the {side}", overflow="fold")
        table.add_column("in good", justify="right")
        table.add_column("in bad", justify="right")
    rows = [
        [(one["feature"], f"{one['in_good']:.1%}", f"{one['in_bad']:.1%}") for one in telling[side][:_SHOWN]]
        for side in ("good", "bad")
    ]
    for at in range(max(map(len, rows))):
        table.add_row(*(cell for side in rows for cell in (side[at] if at < len(side) else ("", "", ""))))
    return table
