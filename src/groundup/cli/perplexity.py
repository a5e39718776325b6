"""The command that learns a perplexity model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.options import AsJson, DryRun, Force, Out, Quiet
from groundup.cli.root import curate_app, make, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import orders
    from groundup.artifacts import perplexity_model
    from groundup.curate.perplexity.training import config as training
else:
    orders, perplexity_model = lazy("groundup.orders"), lazy("groundup.artifacts.perplexity_model")
    training = lazy("groundup.curate.perplexity.training.config")


@curate_app.command("train-perplexity")
def train_perplexity(
    inputs: Annotated[list[Path], typer.Option("--input", help="File or folder of good text, or what curate made; repeatable.")],
    out: Out,
    file_format: Annotated[str, typer.Option("--format", help="As of curate: auto is by ending.")] = "auto",
    text_field: Annotated[str, typer.Option(help="Column of JSONL, Parquet, CSV that holds the text.")] = "text",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option("--calibrate", help="Text whose percentiles divide head, middle, tail; default: held-out reference."),
    ] = None,
    order: Annotated[int | None, typer.Option(help="Length of the longest n-grams; default 5.")] = None,
    pieces: Annotated[int | None, typer.Option(help="Vocabulary of pieces of words; default 16,000.")] = None,
    min_count: Annotated[int | None, typer.Option(help="Longer n-grams that occur less often are left out; default 2.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Sample of the text; bounds the memory; default 32 MiB.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses the sample and what is held out.")] = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn a small n-gram model of good text, for curate.perplexity (head, middle, tail) and the measure perplexity of rules."""
    set_quiet(quiet)
    settings: dict[str, Any] = {"order": order, "pieces": pieces, "min_count": min_count, "max_bytes": max_bytes}
    given = {key: value for key, value in settings.items() if value is not None}
    sides = {"reference": inputs, "calibrate": calibrate or []}
    config = orders.examples_config(training.PerplexityModelConfig, "train-perplexity", sides, file_format, text_field, given)
    if make(orders.order_perplexity(config, out, seed), force, dry_run, as_json):
        made = perplexity_model.PerplexityModel.open(out)
        counts = {name: made.manifest.counts[name] for name in ("documents", "unread")}
        facts = {**counts, **{key: value for key, value in made.facts.items() if key != "quantiles"}}
        held_out = facts["held_out"]
        text = (
            f"{out}: {sum(facts['ngrams']):,} n-grams of {facts['tokens']:,} tokens; perplexity of held-out reference "
            f"{held_out['median']:,} (a third below {held_out['p33']:,}, a third above {held_out['p67']:,}); "
            f"use it as curate.perplexity={out}"
        )
        print_result({"out": str(out), "content_hash": made.content_hash, **facts}, as_json, text)
