"""Commands that turn raw text into documents, and say why one was kept or dropped."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, DryRun, Engine, Force, Out, Quiet, Set, WorkerCount
from groundup.cli.root import app, curate_app, make, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet
from groundup.core.units import format_bytes

if TYPE_CHECKING:
    from groundup import api, orders
    from groundup.artifacts import documents as documents_
    from groundup.curate import explain as explanations
else:
    api, orders, documents_ = lazy("groundup.api"), lazy("groundup.orders"), lazy("groundup.artifacts.documents")
    explanations = lazy("groundup.curate.explain")


@curate_app.callback(invoke_without_command=True)
def curate(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the result; refused if it holds something else.", show_default="required"),
    ] = None,
    inputs: Annotated[
        list[Path] | None, typer.Option("--input", help="File or folder: text, JSONL, Parquet, CSV, HTML, WARC; may be repeated.")
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="auto (by ending), text, markdown, jsonl, parquet, csv, tsv, html, warc; hf: --input is OWNER/NAME of the Hub.",
        ),
    ] = None,
    rules: Annotated[str | None, typer.Option(help="Rule sets, comma-separated; 'none' for none.")] = None,
    validation: Annotated[float | None, typer.Option(help="Share of documents held out; default 0.01.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="Take sources and settings from a recipe.")] = None,
    overrides: Set = None,
    seed: Annotated[int | None, typer.Option(help="Chooses the documents held out; default 0.")] = None,
    workers: WorkerCount = None,
    engine: Engine = "local",
    sbatch: Annotated[
        Path | None,
        typer.Option("--sbatch", metavar="FILE", help="Curate nothing yet: write a script that does it as Slurm arrays."),
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Collect text and keep what is good of it; every drop is recorded with rule, value and threshold."""
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise typer.BadParameter("say where the result goes: --out DIR", context)
    set_quiet(quiet)
    config, seed = orders.curate_config(inputs or [], file_format, rules, validation, recipe, overrides or [], seed)
    order = orders.order_curate(config, out, seed, orders.workers(engine, workers))
    if sbatch is not None:
        parts = api.write_sbatch(order, sbatch, force)
        text = f"{sbatch}: {parts:,} parts; start it with 'bash {sbatch}' where sbatch is known and {out} is seen by all nodes"
        print_result({"script": str(sbatch), "out": str(out), "parts": parts}, as_json, text)
        return
    if not make(order, force, dry_run, as_json):
        return
    documents = documents_.Documents.open(out)
    counts = documents.manifest.counts
    kept = f"{out}: {counts['documents']:,} documents, {format_bytes(float(counts['bytes']))}"
    text = f"{kept}; 'groundup explain {out} ID' says why one was kept or dropped"
    print_result({"out": str(out), "content_hash": documents.content_hash, **documents.funnel}, as_json, text)


@curate_app.command("run-split")
def curate_run_split(
    out: Out,
    pass_name: Annotated[str, typer.Option("--pass", help="read, decide, passages, repeated, write or finish.")],
    index: Annotated[int, typer.Option(min=0, help="Which share of the parts: I, I + N, I + 2 N, ...")] = 0,
    of: Annotated[int, typer.Option("--of", metavar="N", min=1, help="Shares in all.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do one share of one pass of a curation that --sbatch prepared: what a job of a Slurm array calls."""
    set_quiet(quiet)
    done = api.run_split(out, pass_name, index, of)
    print_result({"out": str(out), "pass": pass_name, "parts": done}, as_json, f"{out}: {pass_name}: {done:,} parts done")


@app.command()
def explain(
    documents: Annotated[Path, typer.Argument(metavar="DIR", help="What curate made.")],
    document_id: Annotated[str, typer.Argument(metavar="DOC_ID")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say why a document was kept or dropped, rule by rule, with values and thresholds."""
    set_quiet(quiet)
    explanation = api.explain(documents, document_id)
    print_result(dataclasses.asdict(explanation), as_json, explanations.render(explanation))
