"""Commands that say what devices offer and what training costs on them."""

from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Devices, HardwareName, Mfu, Params, PricePerHour, Quiet, Tokens, count
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup.estimate import spending
    from groundup.plan import computing, hardware
else:
    spending, computing, hardware = (lazy(f"groundup.{name}") for name in ("estimate.spending", "plan.computing", "plan.hardware"))


@plan_app.command("hardware")
def plan_hardware(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Part of a name, or 'this': the machine here, measured; all without it.")
    ] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List devices that plans know: memory, dense peaks, links, power, each value with its source; prices are yours to say."""
    set_quiet(quiet)
    found = hardware.listed_hardware(name)
    print_result({"devices": [device.model_dump() for device in found]}, as_json, hardware.render_hardware(found))


@plan_app.command("compute")
def plan_compute(
    tokens: Tokens,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model of 'groundup plan models'.")] = None,
    params: Params = None,
    shape: Annotated[str | None, typer.Option(help="decoder, encoder or encoder_decoder, with --params; default decoder.")] = None,
    seq_len: Annotated[int | None, typer.Option(help="Tokens of a row, which attention depends on; default the model's.")] = None,
    target_len: Annotated[
        int | None, typer.Option(help="Tokens that an encoder-decoder writes of a row; default T5's 114 for 512.")
    ] = None,
    recompute: Annotated[str, typer.Option(help="What the backward pass computes again: none, selective or full.")] = "none",
    hardware_name: HardwareName = None,
    devices: Devices = None,
    precision: Annotated[str | None, typer.Option(help="Of the products; default bf16, else fp16, else fp32.")] = None,
    mfu: Mfu = None,
    hfu: Annotated[float | None, typer.Option("--hfu", help="In place of --mfu: the share with what is computed again.")] = None,
    tokens_per_s: Annotated[
        float | None, typer.Option(parser=count, metavar="T", help="In place of --mfu: a measured speed of all devices.")
    ] = None,
    pue: Annotated[float | None, typer.Option("--pue", help="What the building draws over what devices do; default 1.1.")] = None,
    price_per_hour: PricePerHour = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count the FLOPs of a training, and tell time, energy and price on devices; or the MFU of a measured speed."""
    set_quiet(quiet)
    use = spending.Utilisation(mfu, hfu, tokens_per_s)
    found = computing.plan_compute(
        tokens, model, params, shape, seq_len, target_len, recompute, hardware_name, devices, precision, use, pue, price_per_hour
    )
    print_result(found.as_json(), as_json, found.render())
