"""The model and training that a recipe speaks of, for commands that take a model by name as well."""

from pathlib import Path
from typing import TYPE_CHECKING

from groundup.core.errors import ConfigError
from groundup.core.lazy import lazy

if TYPE_CHECKING:
    from groundup import recipe as recipes
    from groundup.plan import memory as memories
else:
    recipes, memories = lazy("groundup.recipe"), lazy("groundup.plan.memory")


def read_planned(recipe: Path | None, overrides: list[str] | None) -> "memories.Planned | None":
    """Return what the recipe plans, or None without one; raise ConfigError if only overrides are given."""
    if recipe is not None:
        loaded = recipes.load_recipe(recipe, overrides or [])
        return memories.Planned(loaded.name, loaded.plan_config(), loaded.tokenizer.vocab_size, loaded.planned_layout())
    if overrides:
        raise ConfigError("--set changes a recipe; say --recipe FILE, or leave --set out")
    return None
