"""Commands about scaling laws: fit one to a table of runs, forecast a run by it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet
from groundup.cli.root import print_result, scaling_app
from groundup.core.lazy import lazy
from groundup.core.log import say, set_quiet

if TYPE_CHECKING:
    from groundup import api
    from groundup.scaling import words
else:
    api, words = lazy("groundup.api"), lazy("groundup.scaling.words")


@scaling_app.command("fit")
def scaling_fit(
    runs: Annotated[
        Path, typer.Argument(metavar="RUNS.csv", help="Columns params, tokens, loss[, flops, run_id, weight, unique_tokens].")
    ],
    law: Annotated[
        str,
        typer.Option(
            "--law", help="chinchilla, kaplan, isoflop, envelope, data-constrained, kaplan-params, kaplan-tokens or kaplan-compute."
        ),
    ] = "chinchilla",
    objective: Annotated[str | None, typer.Option("--objective", help="huber-sum (the default), huber-mle or lsq.")] = None,
    valley: Annotated[str | None, typer.Option("--valley", help="Of isoflop: akima (the default) or parabola.")] = None,
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Resamples of runs for intervals; 0: none.")] = 1000,
    fix: Annotated[list[str] | None, typer.Option("--fix", metavar="NAME=VALUE", help="A constant that is known.")] = None,
    counts: Annotated[str, typer.Option("--counts", help="What params counts, e.g. 'without embeddings'; told with the fit.")] = "",
    seed: int = 0,
    picture: Annotated[Path | None, typer.Option("--picture", help="Also draw it: a .png, .svg or .pdf file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FIT.json", help="File for plans and forecasts.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what --out holds.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a scaling law to runs, with intervals; a fit that the runs do not decide is refused."""
    set_quiet(quiet)
    found = api.scaling_fit(runs, law, objective, bootstrap, fix or [], counts, seed, out, force, valley)
    for warning in found.warnings:
        say(f"warning: {warning}", style="yellow")
    if picture is not None:
        api.scaling_picture(found, runs, picture)
        say(f"{picture}: drawn", style="dim")
    print_result({**found.model_dump(mode="json"), "out": str(out) if out else None}, as_json, words.of_fit(found))


@scaling_app.command("forecast")
def scaling_forecast(
    fit: Annotated[Path, typer.Argument(metavar="FIT.json", help="What 'groundup scaling fit' wrote.")],
    params: Annotated[float, typer.Option("--params", help="Parameters, counted as in the fit.")],
    tokens: Annotated[float, typer.Option("--tokens", help="Training tokens, each time that one is seen.")],
    unique_tokens: Annotated[float | None, typer.Option("--unique-tokens", help="Different ones among them; default all.")] = None,
    flops: Annotated[float | None, typer.Option("--flops", help="Training compute; default 6 params x tokens.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say which loss a run will have, with intervals, by a fitted law."""
    set_quiet(quiet)
    found = api.scaling_forecast(fit, params, tokens, unique_tokens, flops)
    for warning in found.warnings:
        say(f"warning: {warning}", style="yellow")
    print_result(found.as_json(), as_json, words.of_forecast(found))
