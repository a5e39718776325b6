"""Commands that say what devices offer and what training costs on them."""

from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup.plan import hardware
else:
    hardware = lazy("groundup.plan.hardware")


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
