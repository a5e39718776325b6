"""The command that lays a training out on many devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet, count
from groundup.cli.planned import read_planned
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import say, set_quiet

if TYPE_CHECKING:
    from groundup.plan import layouts
    from groundup.report import layouts as pictures
else:
    layouts, pictures = lazy("groundup.plan.layouts"), lazy("groundup.report.layouts")


@plan_app.command("layout")
def plan_layout(  # each parameter is an option
    hardware: Annotated[str, typer.Option("--hardware", metavar="NAME", help="A device of 'groundup plan hardware', or this.")],
    devices: Annotated[int, typer.Option("--devices", metavar="N", help="How many of them.")],
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model of 'groundup plan models'.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A recipe that says its size.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe.")] = None,
    batch_tokens: Annotated[
        float | None,
        typer.Option("--global-batch-tokens", parser=count, metavar="T", help="Of a step; default the recipe's, or by size."),
    ] = None,
    seq_len: Annotated[int | None, typer.Option(help="Tokens of a sequence; default the recipe's, or the model's longest.")] = None,
    target_len: Annotated[int | None, typer.Option(help="That an encoder-decoder writes; default T5's 114 for 512.")] = None,
    top: Annotated[int, typer.Option("--top", metavar="K", help="How many to tell, each of another mesh.")] = 5,
    precision: Annotated[str | None, typer.Option(help="bf16, bf16_weights, fp16 or fp32; default the device's.")] = None,
    network_gbps: Annotated[
        float | None, typer.Option(help="Network of a node [Gbit/s], all adapters together; default that of the catalogue.")
    ] = None,
    compiled: Annotated[bool | None, typer.Option("--compile", help="Kernels from torch.compile.")] = None,
    dp: Annotated[int | None, typer.Option(min=1, help="Not searched but this.")] = None,
    tp: Annotated[int | None, typer.Option(min=1, help="Not searched but this.")] = None,
    pp: Annotated[int | None, typer.Option(min=1, help="Not searched but this.")] = None,
    cp: Annotated[int | None, typer.Option(min=1, help="Not searched but this.")] = None,
    zero: Annotated[int | None, typer.Option(min=0, max=3, help="Not searched but this.")] = None,
    sharding_factor: Annotated[int | None, typer.Option(min=1, help="Not searched but this; with zero 3.")] = None,
    micro_batch: Annotated[int | None, typer.Option(min=1, help="Not searched but this.")] = None,
    recompute: Annotated[str | None, typer.Option(help="none, selective or full; not searched but this.")] = None,
    offload: Annotated[str | None, typer.Option(help="none, optimizer or all; not searched but this.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw speed by devices and memory by strategy: .png, .svg or .pdf.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tell how a training lies best on many devices: every layout that divides, those that fit, the fastest of them, and why."""
    set_quiet(quiet)
    planned = read_planned(recipe, overrides)
    pinned = {
        "dp": dp, "tp": tp, "pp": pp, "cp": cp, "zero": zero, "sharding_factor": sharding_factor, "micro_batch": micro_batch,
        "recompute": recompute, "offload": offload,
    }  # fmt: skip
    found = layouts.plan_layout(
        model, planned, hardware, devices, batch_tokens, seq_len, target_len, top, precision, network_gbps, compiled, pinned
    )
    if picture is not None:
        pictures.write_picture(found.search.problem, picture)
        say(f"{picture}: drawn", style="dim")
    print_result(found.as_json(), as_json, found.render())
