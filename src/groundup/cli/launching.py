"""The command that prepares a launch on many nodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet, RecipePath, Set
from groundup.cli.root import app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import launching
else:
    launching = lazy("groundup.launching")


@app.command()
def launch(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", help="The script, to be started with sbatch.")],
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Machines.")],
    gpus_per_node: Annotated[int, typer.Option("--gpus-per-node", min=0, help="One process on each; 0: on CPUs.")] = 0,
    processes_per_node: Annotated[
        int | None, typer.Option("--processes-per-node", min=1, help="Default one a GPU, on CPUs one a machine.")
    ] = None,
    time: Annotated[str | None, typer.Option("--time", help="For Slurm: 24:00:00.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder of the run; default runs/NAME.")] = None,
    overrides: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a script for Slurm that runs a recipe on many nodes up to its trained model; nothing is started."""
    set_quiet(quiet)
    processes = processes_per_node or gpus_per_node or 1
    made = launching.write_sbatch(recipe, overrides or [], out, nodes, processes, gpus_per_node, time, run)
    text = f"{out}: {made['processes']:,} processes; start it with 'sbatch {out}' where {made['run']} is seen by all nodes"
    print_result(made, as_json, text)
