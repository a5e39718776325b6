"""The command about earlier runs of this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import api
    from groundup.plan import calibration_text
else:
    api, calibration_text = lazy("groundup.api"), lazy("groundup.plan.calibration_text")


@plan_app.command("calibration")
def plan_calibration(
    forget: Annotated[bool, typer.Option("--forget", help="Remove the file: the next plans are not corrected.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show how far plans on this machine were off, and what earlier runs correct the next one by."""
    set_quiet(quiet)
    found = api.plan_calibration(forget)
    gone = f"{found.file}: {found.runs + found.other_runs:,} runs are forgotten"
    result = {**found.model_dump(mode="json"), "forgotten": forget}
    print_result(result, as_json, None if as_json else gone if forget else calibration_text.render(found))
