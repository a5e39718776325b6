"""Commands that turn documents into tokens: tokenizer, encode."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, DryRun, Engine, Force, Out, Quiet, Set, WorkerCount
from groundup.cli.root import app, make, print_result, tokenizer_app
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet
from groundup.core.units import format_count

if TYPE_CHECKING:
    from groundup import api, orders
    from groundup.artifacts import documents as documents_
    from groundup.artifacts import token_shards
    from groundup.artifacts import tokenizer as tokenizers
else:
    api, orders = lazy("groundup.api"), lazy("groundup.orders")
    documents_, token_shards = lazy("groundup.artifacts.documents"), lazy("groundup.artifacts.token_shards")
    tokenizers = lazy("groundup.artifacts.tokenizer")


@tokenizer_app.command("train")
def tokenizer_train(
    documents: Annotated[Path, typer.Option("--input", help="What curate made.")],
    out: Out,
    algorithm: Annotated[str, typer.Option(help="bpe (byte-level), wordpiece or unigram.")] = "bpe",
    vocab_size: Annotated[int, typer.Option(help="Tokens in all.")] = 4096,
    special: Annotated[str | None, typer.Option(help="More special tokens: pad,mask,sep,fill,chat,modes,sentinels=100.")] = None,
    normalisation: Annotated[
        str, typer.Option(help="none, nfc, nfkc, lower or nfkc_lower; all but none lose the exact text.")
    ] = "none",
    pre_tokenizer: Annotated[str, typer.Option(help="What a token may span: digits, gpt2, gpt4, gpt4o or whitespace.")] = "digits",
    seed: int = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a tokenizer on curated documents."""
    set_quiet(quiet)
    config = orders.tokenizer_config(algorithm, vocab_size, special, normalisation, pre_tokenizer)
    if make(orders.order_tokenizer(documents, config, out, seed), force, dry_run, as_json):
        _print_tokenizer(out, as_json)


@tokenizer_app.command("import")
def tokenizer_import(
    source: Annotated[Path, typer.Argument(help="Folder or file: tokenizer.json, vocab.json, vocab.txt, .model, .tiktoken.")],
    out: Out,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring in the tokenizer of another tool."""
    set_quiet(quiet)
    if make(orders.order_tokenizer_import(source, out), force, dry_run, as_json):
        _print_tokenizer(out, as_json)


def _print_tokenizer(out: Path, as_json: bool) -> None:
    tokenizer = tokenizers.Tokenizer.open(out)
    result = {"out": str(out), "content_hash": tokenizer.content_hash, **tokenizer.facts}
    print_result(result, as_json, f"{out}: {tokenizer.summary()}")


@app.command()
def encode(
    documents: Annotated[Path, typer.Option("--input", help="What curate made.")],
    tokenizer: Annotated[Path, typer.Option("--tokenizer", help="What tokenizer train or import made.")],
    out: Out,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="Take the mix and other settings from a recipe.")] = None,
    overrides: Set = None,
    workers: WorkerCount = None,
    engine: Engine = "local",
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn curated documents into memory-mapped token shards; a recipe's encode.mix says how much of each source."""
    set_quiet(quiet)
    config, seed = orders.encode_config(recipe, overrides or [])
    order = orders.order_encode(documents, tokenizer, out, orders.workers(engine, workers), config, seed)
    if not make(order, force, dry_run, as_json):
        return
    shards = token_shards.TokenShards.open(out)
    trained, held_out = (format_count(shards.total("tokens", split)) for split in documents_.SPLIT_FOLDERS)
    text = f"{out}: {trained} tokens to train on, {held_out} held out"
    mix = shards.mix.model_dump(mode="json") if shards.mix else None
    found = {"out": str(out), "content_hash": shards.content_hash, **shards.info.model_dump(mode="json"), "mix": mix}
    print_result(found, as_json, text)
