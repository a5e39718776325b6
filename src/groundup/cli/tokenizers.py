"""Commands about tokenizers that exist: extend, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, DryRun, Force, Out, Quiet
from groundup.cli.root import make, print_result, tokenizer_app
from groundup.core.lazy import lazy
from groundup.core.log import say, set_quiet

if TYPE_CHECKING:
    from groundup import api, orders
    from groundup.artifacts import tokenizer as tokenizers_
    from groundup.report import tokenizers as pictures
    from groundup.tokenizer import word_list
else:
    api, orders = lazy("groundup.api"), lazy("groundup.orders")
    tokenizers_, pictures = lazy("groundup.artifacts.tokenizer"), lazy("groundup.report.tokenizers")
    word_list = lazy("groundup.tokenizer.word_list")


@tokenizer_app.command("extend")
def extend(
    tokenizer: Annotated[Path, typer.Argument(help="What tokenizer train or import made, or a file or folder of another tool.")],
    documents: Annotated[Path, typer.Option("--input", help="What curate made, of the domain.")],
    out: Out,
    num_tokens: Annotated[int, typer.Option("--tokens", min=1, help="Most tokens to add.")],
    seed: int = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add terms of a domain to a tokenizer; no token changes its id."""
    set_quiet(quiet)
    if make(orders.order_tokenizer_extend(tokenizer, documents, num_tokens, out, seed), force, dry_run, as_json):
        made = tokenizers_.Tokenizer.open(out)
        result = {"out": str(out), "content_hash": made.content_hash, **made.facts}
        print_result(result, as_json, f"{out}: {made.summary()}, {made.facts['new_tokens']:,} of them new")


@tokenizer_app.command("compare")
def compare(
    tokenizers: Annotated[
        list[Path], typer.Argument(metavar="TOKENIZER...", help="What tokenizer train made, or files of other tools.")
    ],
    text: Annotated[Path, typer.Option("--text", help="UTF-8 file, folder of .txt and .md, or what curate made.")],
    words: Annotated[Path | None, typer.Option("--words", help="File of domain words, one a line; terms may have spaces.")] = None,
    general: Annotated[
        Path | None, typer.Option("--general", help="General text, against which the telling words of --text are found.")
    ] = None,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="Measure on the first so many megabytes.")] = 20.0,
    picture: Annotated[Path | None, typer.Option("--picture", help="Also draw it: a .png, .svg or .pdf file.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure tokenizers on a text: bytes a token, tokens a word, unknowns, what comes back, speed, domain words split."""
    set_quiet(quiet)
    found = api.tokenizer_compare(tokenizers, text, word_list.read_words(words, general), general, round(max_mb * 1e6))
    if picture is not None:
        pictures.write_picture(found, picture)
        say(f"{picture}: drawn", style="dim")
    print_result(found.as_json(), as_json, found.render())
