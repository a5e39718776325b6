"""The commands by name, and what they have in common: the program itself, how results are printed, how orders are carried out."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from groundup.core.lazy import lazy

if TYPE_CHECKING:
    from groundup import orders
    from groundup import preview as previews
    from groundup import recipe as recipes
    from groundup.artifacts import build
else:
    orders, previews = lazy("groundup.orders"), lazy("groundup.preview")

app = typer.Typer(
    name="groundup",
    help="Raw text and a compute budget in; a language model you can trust, explain and ship out. Start with: groundup demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
curate_app = typer.Typer(help="Collect text and keep what is good of it; every drop is recorded with rule, value and threshold.")
tokenizer_app = typer.Typer(help="Train tokenizers, and bring in those of others.", no_args_is_help=True)
plan_app = typer.Typer(help="Decide what to train, and predict what it takes.", no_args_is_help=True)
hub_app = typer.Typer(help="Bring in checkpoints of other tools.", no_args_is_help=True)
scaling_app = typer.Typer(help="Fit scaling laws to runs, and forecast larger ones.", no_args_is_help=True)
app.add_typer(curate_app, name="curate")
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(plan_app, name="plan")
app.add_typer(hub_app, name="hub")
app.add_typer(scaling_app, name="scaling")


def print_result(result: dict[str, Any], as_json: bool, text: Any) -> None:
    """Print the result on stdout: as JSON for machines, as text (or anything rich can draw) for people."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        Console(highlight=False, emoji=False, markup=False, soft_wrap=isinstance(text, str)).print(text)


def make(order: "build.Order", force: bool, dry_run: bool, as_json: bool) -> bool:
    """Carry out the order; with `dry_run` only say what would be done, and return False."""
    if dry_run:
        preview = orders.preview(order, force)
        costs = f": {preview['forecast']['words']}" if "forecast" in preview else ""
        print_result(preview, as_json, f"would {preview['action']} {preview['out']}{costs}")
        return False
    orders.carry_out(order, force)
    return True


def print_preview(recipe: "recipes.Recipe", out: Path, plan: Path, stages: dict[str, str], as_json: bool) -> None:
    """Print what a run that is not made yet will be."""
    course = previews.as_json(recipe, stages, plan)
    print_result({"out": str(out), "stages": stages, "course": course}, as_json, previews.render(recipe, stages, plan))
