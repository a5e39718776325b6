"""The memory of one device as a function."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.core.lazy import lazy
from groundup.plan.memory import Answer, Planned
from groundup.plan.memory import plan_memory as memory_plan
from groundup.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from groundup.plan import simulate as simulations
else:
    simulations = lazy("groundup.plan.simulate")


def plan_memory(model: str | None = None, recipe: Recipe | Path | None = None, **asked: Any) -> Answer:
    """Return what one device holds in training a published model, or a recipe's, under a layout, or in generating text.

    `asked`: `hardware` or `device_bytes`, `generating` (sequences, tokens), keys of a layout and of `plan.memory.question.Choices`.
    """
    if isinstance(recipe, Path):
        recipe = load_recipe(recipe)
    planned = Planned(recipe.name, recipe.plan_config(), recipe.tokenizer.vocab_size, recipe.planned_layout()) if recipe else None
    return memory_plan(model, planned, **asked)


def simulate_memory(answer: Answer) -> "simulations.SimulatedPeak":
    """Return the peak of a simulated training step of what was asked: groundup's own model, loss and optimizer on fake tensors.

    Raises ConfigError for what cannot be simulated.
    """
    return simulations.simulate_memory(answer)
