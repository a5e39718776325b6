"""The command that trains a classifier of documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.options import AsJson, DryRun, Force, Out, Quiet
from groundup.cli.root import curate_app, make, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import orders
    from groundup.artifacts import text_classifier
    from groundup.curate.classifier import config as classifier
    from groundup.curate.classifier import render
else:
    orders, text_classifier = lazy("groundup.orders"), lazy("groundup.artifacts.text_classifier")
    classifier = lazy("groundup.curate.classifier.config")
    render = lazy("groundup.curate.classifier.render")


@curate_app.command("train-classifier")
def train_classifier(
    good: Annotated[
        list[Path], typer.Option("--good", help="File or folder of wanted documents, or what curate made; repeatable.")
    ],
    bad: Annotated[list[Path], typer.Option("--bad", help="File or folder of unwanted documents; may be repeated.")],
    out: Out,
    file_format: Annotated[str, typer.Option("--format", help="As of curate: auto is by ending.")] = "auto",
    text_field: Annotated[str, typer.Option(help="Column of JSONL, Parquet, CSV that holds the text.")] = "text",
    keep_good: Annotated[float | None, typer.Option(help="Share of good examples to keep; default 0.95.")] = None,
    word_ngrams: Annotated[int | None, typer.Option(help="Runs of up to so many words; default 2.")] = None,
    char_ngrams: Annotated[str | None, typer.Option(metavar="MIN-MAX", help="Also runs of characters, as 3-5.")] = None,
    bucket_bits: Annotated[int | None, typer.Option(help="2^bits weights; default 18.")] = None,
    passage_words: Annotated[int | None, typer.Option(help="Texts are judged by passages of so many words; default 256.")] = None,
    penalty: Annotated[float | None, typer.Option(help="Of large weights (L2).")] = None,
    calibration: Annotated[str | None, typer.Option(help="platt (default) or none.")] = None,
    max_passages: Annotated[int | None, typer.Option(help="Sample of each side; bounds the memory; default 50,000.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses the sample and what is held out.")] = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a filter on good and bad examples, for the measure classifier_score of one's own rules."""
    set_quiet(quiet)
    features: dict[str, Any] = {
        "word_ngrams": word_ngrams,
        "char_ngrams": char_ngrams.split("-") if char_ngrams is not None else None,
        "bucket_bits": bucket_bits,
        "passage_words": passage_words,
    }
    settings: dict[str, Any] = {
        "features": {key: value for key, value in features.items() if value is not None},
        "keep_good": keep_good,
        "penalty": penalty,
        "calibration": calibration,
        "max_passages": max_passages,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    sides = {"good": good, "bad": bad}
    config = orders.examples_config(classifier.ClassifierConfig, "train-classifier", sides, file_format, text_field, given)
    if make(orders.order_classifier(config, out, seed), force, dry_run, as_json):
        made = text_classifier.TextClassifier.open(out)
        print_result({"out": str(out), "content_hash": made.content_hash, **made.facts}, as_json, render.render(out, made.facts))
