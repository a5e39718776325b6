"""The memory of one device as a function."""

from pathlib import Path
from typing import Any

from groundup.plan.memory import Answer, Planned
from groundup.plan.memory import plan_memory as memory_plan
from groundup.recipe import Recipe, load_recipe


def plan_memory(model: str | None = None, recipe: Recipe | Path | None = None, **asked: Any) -> Answer:
    """Return what one device holds in training a published model, or a recipe's, under a layout, or in generating text.

    `asked`: `hardware` or `device_bytes`, `generating` (sequences, tokens), keys of a layout and of `plan.memory.question.Choices`.
    """
    if isinstance(recipe, Path):
        recipe = load_recipe(recipe)
    planned = Planned(recipe.name, recipe.plan_config(), recipe.tokenizer.vocab_size) if recipe else None
    return memory_plan(model, planned, **asked)
