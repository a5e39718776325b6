"""The command that fetches pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.options import AsJson, DryRun, Quiet
from groundup.cli.root import app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet
from groundup.core.units import format_bytes

if TYPE_CHECKING:
    from groundup import api
else:
    api = lazy("groundup.api")


@app.command()
def fetch(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Files of addresses, sitemaps (files or addresses), addresses."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the archives; the same command goes on from what is there.")],
    contact: Annotated[str, typer.Option(help="E-mail or web address at which you can be reached; sent to every server.")],
    delay_s: Annotated[float | None, typer.Option("--delay-s", help="Seconds between two requests to a host; default 1.")] = None,
    timeout_s: Annotated[float | None, typer.Option("--timeout-s", help="Seconds for each wait; default 20.")] = None,
    max_pages: Annotated[int | None, typer.Option(help="Pages saved in all; default 100,000.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Bytes saved in all; default 10 GiB.")] = None,
    max_page_bytes: Annotated[int | None, typer.Option(help="A larger page is dropped; default 8 MiB.")] = None,
    content_types: Annotated[
        list[str] | None, typer.Option("--content-type", help="Saved; may be repeated; default HTML, XHTML, plain text.")
    ] = None,
    allow_private: Annotated[bool, typer.Option("--allow-private", help="Also from this machine and your own network.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch pages politely into WARC archives that 'curate' reads: robots.txt, one request at a time, bounds on all."""
    set_quiet(quiet)
    given: dict[str, Any] = {
        "contact": contact,
        "delay_s": delay_s,
        "timeout_s": timeout_s,
        "max_pages": max_pages,
        "max_bytes": max_bytes,
        "max_page_bytes": max_page_bytes,
        "content_types": content_types or None,
        "allow_private": allow_private,
    }
    settings = {key: value for key, value in given.items() if value is not None}
    if dry_run:
        found = api.preview_fetch(inputs, settings)
        text = f"{found['addresses']:,} addresses on {found['hosts']:,} hosts and {found['sitemaps']:,} sitemaps to ask"
        print_result(found, as_json, f"{text}; the addresses take {found['at_least_s']:,.0f} s at least")
        return
    summary = api.fetch(inputs, out, settings)
    others = ", ".join(f"{number:,} {name}" for name, number in summary["not_saved"].items())
    text = f"{out}: {summary['saved']:,} pages, {format_bytes(float(summary['bytes']))}" + (
        f"; not saved: {others}" if others else ""
    )
    print_result(summary, as_json, f"{text}; go on with 'groundup curate --input {out} --out DIR'")
