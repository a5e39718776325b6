"""Commands of the ladder: its runs, and the band that they give."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, DryRun, Engine, Force, Out, Quiet, RecipePath, Set, WorkerCount
from groundup.cli.root import make, print_result, scaling_app
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import api, orders
    from groundup import recipe as recipes
    from groundup.artifacts import band as bands
    from groundup.ladder import config, outlook
    from groundup.ladder.band import order as band_orders
else:
    api, orders, recipes = (lazy(f"groundup.{name}") for name in ("api", "orders", "recipe"))
    bands, band_orders = lazy("groundup.artifacts.band"), lazy("groundup.ladder.band.order")
    config, outlook = lazy("groundup.ladder.config"), lazy("groundup.ladder.outlook")


@scaling_app.command("sweep")
def scaling_sweep(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", help="Folder of the ladder; the same command goes on with what it holds.")],
    ladder: Annotated[
        list[str],
        typer.Option(
            "--ladder", metavar="KEY=VALUES", help="widths=64,96,128, tokens_per_param=5,10,20, ...; or auto: below the recipe."
        ),
    ],
    overrides: Set = None,
    engine: Engine = "local",
    workers: WorkerCount = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a ladder of small runs on a recipe's text: RUNS.csv for `scaling fit`, curves.csv for `scaling band`.

    One run after another unless --workers says more; with --engine ray as many as the cluster has cores.
    """
    set_quiet(quiet)
    loaded, asked = recipes.load_recipe(recipe, overrides or []), config.read_ladder(ladder)
    who = orders.workers(engine, workers or (1 if engine == "local" else None))
    if dry_run:
        rungs = outlook.foresee(loaded, asked, out)
        print_result({"out": str(out), "rungs": outlook.as_json(rungs)}, as_json, outlook.render(rungs))
        return
    done = api.scaling_sweep(loaded, out, asked, who)
    result = {
        "out": str(out),
        "runs": str(done.runs_file),
        "points": [vars(point) for point in done.points],
        "made": list(done.new),
    }
    print_result(result, as_json, f"{done.runs_file}: {len(done.points)} runs; 'groundup scaling fit {done.runs_file}' fits a law")


@scaling_app.command("band")
def scaling_band(
    ladder: Annotated[Path, typer.Argument(metavar="DIR", help="What `scaling sweep` made.")],
    out: Out,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="The run that the band is of; default the ladder's own recipe.")
    ] = None,
    overrides: Set = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what loss a run should have after each number of tokens; `pretrain.watch` compares it on the way."""
    set_quiet(quiet)
    loaded = recipes.load_recipe(recipe, overrides or []) if recipe is not None else None
    if not make(band_orders.order_band(ladder, out, loaded), force, dry_run, as_json):
        return
    band = bands.Band.open(out)
    facts, last = band.facts, band.facts.points[-1]
    reach = f"{last.low_95:.3f} to {last.high_95:.3f} (95 %)"
    text = f"{out}: {last.loss:.3f} nats a token expected after {facts.tokens:,} tokens, {reach}"
    print_result({"out": str(out), "content_hash": band.content_hash, **facts.model_dump(mode="json")}, as_json, text)
