"""Commands for the whole line: start, walk, look at what was made."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, DryRun, Quiet, RecipePath, Set
from groundup.cli.root import app, print_preview, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import api, diagnosis, lineage
    from groundup import recipe as recipes
else:
    api, diagnosis, lineage, recipes = (lazy(f"groundup.{name}") for name in ("api", "diagnosis", "lineage", "recipe"))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path("runs/demo"),
    overrides: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Train, evaluate and export a small model on the text that every installation holds: about 6 minutes on 2 cores."""
    run(recipes.SHIPPED / "demo_cpu.yaml", out=out, overrides=overrides, as_json=as_json, quiet=quiet, dry_run=dry_run)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the recipe; NAME.yaml is written.")],
    template: Annotated[str, typer.Option("--from", help="The shipped recipe to copy.")] = "demo_cpu",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a shipped recipe to start your own from."""
    set_quiet(quiet)
    path = api.new(name, template)
    print_result({"recipe": str(path)}, as_json, f"{path} is yours: edit its sources and budget, then 'groundup run {path}'")


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for completion and checks in your editor."""
    sys.stdout.write(recipes.recipe_schema())


@app.command()
def doctor(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Tell what this machine can do, what is missing, and how to mend it."""
    set_quiet(quiet)
    found = api.doctor()
    print_result(found.model_dump(mode="json"), as_json, diagnosis.render(found))
    if not found.healthy:
        raise typer.Exit(2)


@app.command()
def run(
    recipe: RecipePath,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; default runs/NAME.")] = None,
    overrides: Set = None,
    until: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")] = None,
    remake_from: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Make this stage and all after it anew.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Walk the whole line of a recipe; what is made already with the same inputs and settings is skipped."""
    set_quiet(quiet)
    loaded = recipes.load_recipe(recipe, overrides or [])
    if dry_run:
        folder = api.run_folder(loaded, out)
        print_preview(loaded, folder, folder / "plan", api.preview(loaded, out, until, remake_from), as_json)
        return
    done = api.run(loaded, out, until, remake_from)
    print_result(done.as_json(), as_json, done.render())


@app.command()
def show(
    artifact: Annotated[Path, typer.Argument(help="Any artifact, or a run of the line.")],
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again and name the damaged ones.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what an artifact is, what it holds, and where it came from, back to the source files."""
    set_quiet(quiet)
    found = api.show(artifact, verify)
    print_result(lineage.as_json(found), as_json, lineage.render(found))
    if found.problems:
        raise typer.Exit(2)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run of the line, or what curate made.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; default DIR/report.html, of a curation alone DIR.report.html.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw one self-contained page of a run: data, plan, training, evaluation, model card; or of a curation alone."""
    set_quiet(quiet)
    path = api.report(run_folder, out)
    print_result({"report": str(path)}, as_json, str(path))
