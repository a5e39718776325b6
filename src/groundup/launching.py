"""A line that the processes of a launch walk: the first as if it were alone, the others where training needs them."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.core.files import write_text
from groundup.core.log import console, set_quiet
from groundup.core.world import launched
from groundup.pipeline import find_stage, order_stage
from groundup.recipe import Recipe, load_recipe
from groundup.train.parallel import slurm
from groundup.train.parallel.config import AUTO, completed, said_layout


@contextlib.contextmanager
def lead(recipe: Recipe, folders: Mapping[str, Path]) -> Iterator[bool]:
    """Yield whether this process walks the line in the block; any other has done its part by then, and the first all of its own.

    An error in one process ends all of them; one of them tells it.
    """
    world = launched()
    if world is None or world.size == 1:
        yield True
        return
    set_quiet(console.quiet)
    crew = importlib.import_module("groundup.train.parallel.crew").Crew(world)
    with crew.at_work():
        if not world.is_first and crew.called(_take_part):
            _train(recipe, folders)
            crew.wait_done()
        yield world.is_first


def _take_part(request: bytes) -> None:
    """Take part in the steps that the plan times."""
    importlib.import_module("groundup.plan.together").take_part(request)


def _train(recipe: Recipe, folders: Mapping[str, Path]) -> None:
    """Train with the first process: what training reads is made by now."""
    stage = find_stage("pretrain")
    order = order_stage(stage, recipe, folders)
    stage.run(order.config, order.job())


def write_sbatch(
    recipe: Path,
    overrides: Sequence[str],
    script: Path,
    nodes: int,
    processes: int,
    gpus: int = 0,
    time: str | None = None,
    run: Path | None = None,
) -> dict[str, Any]:
    """Write a script for Slurm that walks a recipe's line up to its trained model, and return what it starts.

    Raises ConfigError if the recipe's layout is not one of `processes` on each node.
    """
    loaded = load_recipe(recipe, overrides)
    layout: Any = (
        AUTO if loaded.parallel == AUTO else completed(said_layout(loaded.parallel), nodes * processes).model_dump(mode="json")
    )
    out = (run or Path("runs") / loaded.name).absolute()
    command = ["groundup", "run", str(recipe.absolute()), "--out", str(out), "--until", "pretrain"]
    command += [word for override in overrides for word in ("--set", override)]
    write_text(script, slurm.script(loaded.name, command, nodes, processes, gpus, time))
    return {"script": str(script), "run": str(out), "processes": nodes * processes, "layout": layout}
