"""Ladders of small runs as functions: train one, make the band of a run from it."""

import importlib
from pathlib import Path
from typing import Any

from groundup import orders
from groundup.artifacts.band import Band
from groundup.core.engines.base import Workers
from groundup.ladder.config import LadderConfig
from groundup.recipe import Recipe, load_recipe


def scaling_sweep(
    recipe: Recipe | Path, out: Path, ladder: LadderConfig | None = None, workers: Workers = orders.ONE_WORKER
) -> Any:
    """Train a ladder of small runs in `out` (None: the one derived from the recipe's size); return its points and its RUNS.csv."""
    return importlib.import_module("groundup.ladder.sweep").sweep(_loaded(recipe), ladder, out, workers)


def scaling_band(ladder: Path, out: Path, recipe: Recipe | Path | None = None, force: bool = False) -> Band:
    """Make the band of the recipe's run (None: the ladder's own recipe) from a ladder that `scaling_sweep` made."""
    order = importlib.import_module("groundup.ladder.band.order").order_band
    orders.carry_out(order(ladder, out, None if recipe is None else _loaded(recipe)), force)
    return Band.open(out)


def _loaded(recipe: Recipe | Path) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
