"""Layouts on many devices as functions: the fastest of a published model, or of a recipe."""

from pathlib import Path
from typing import Any

from groundup.plan.layouts import LayoutPlan
from groundup.plan.layouts import plan_layout as layout_plan
from groundup.plan.memory import Planned
from groundup.recipe import Recipe, load_recipe


def plan_layout(
    model: str | None = None,
    recipe: Recipe | Path | None = None,
    *,
    hardware: str,
    devices: int,
    global_batch_tokens: float | None = None,
    seq_len: int | None = None,
    top: int = 5,
    **settings: Any,
) -> LayoutPlan:
    """Return the fastest layouts of a published model or a recipe's; `LayoutPlan.best` is the fastest as a `Layout`.

    Settings: target_len, precision, network_gbps, compiled, and `pinned`, a mapping of layout keys that may not be searched.
    """
    loaded = load_recipe(recipe) if isinstance(recipe, Path) else recipe
    planned = None if loaded is None else Planned(loaded.name, loaded.plan_config(), loaded.tokenizer.vocab_size)
    return layout_plan(model, planned, hardware, devices, global_batch_tokens, seq_len, top=top, **settings)
