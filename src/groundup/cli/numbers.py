"""The command about number formats."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Params, Quiet
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import api
    from groundup.plan import numbers_text
else:
    api, numbers_text = lazy("groundup.api"), lazy("groundup.plan.numbers_text")


@plan_app.command("formats", context_settings={"ignore_unknown_options": True})  # or -3.5 would be options
def plan_formats(
    value: Annotated[str | None, typer.Argument(help="A number: 3.14, -1e-3, inf, nan, pi.")] = None,
    formats: Annotated[
        str | None, typer.Option("--formats", help="fp32, fp16, bf16, fp8_e4m3, fp8_e5m2, int8, int4, with commas; default all.")
    ] = None,
    absmax: Annotated[
        float | None,
        typer.Option("--absmax", help="Largest magnitude stored beside VALUE: the scale of whole numbers. Default: scale 1."),
    ] = None,
    tensor: Annotated[Path | None, typer.Option("--tensor", help="A .npy or .safetensors file, whose error is measured.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Tensor of the .safetensors file; default the largest matrix.")] = None,
    normal: Annotated[
        str | None, typer.Option("--normal", metavar="ROWSxCOLUMNS", help="Measure on so many normal numbers instead of a file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of --normal; default 0.")] = None,
    group_size: Annotated[int | None, typer.Option("--group-size", help="Values that share a scale; default 128.")] = None,
    params: Params = None,
    model: Annotated[str | None, typer.Option("--model", help="Also the bytes of a published model; see plan models.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show how a number is stored, bit by bit, what a tensor loses, and what a model weighs, in FP32 to INT4."""
    set_quiet(quiet)
    found = api.plan_formats(
        value,
        formats,
        absmax=absmax,
        tensor=tensor,
        name=name,
        normal=normal,
        seed=seed,
        group_size=group_size,
        params=params,
        model=model,
    )
    print_result(found.as_json(), as_json, None if as_json else numbers_text.render(found))
