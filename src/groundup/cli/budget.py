"""The command that goes from a budget to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Devices, HardwareName, Mfu, Params, PricePerHour, Quiet, count
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup.plan.budget import ask, config
else:
    ask, config = lazy("groundup.plan.budget.ask"), lazy("groundup.plan.budget.config")


def _number(flag: str, metavar: str, words: str) -> object:
    return typer.Option(flag, parser=count, metavar=metavar, help=words)


@plan_app.command("budget")
def plan_budget(
    device_hours: Annotated[float | None, _number("--device-hours", "H", "Of all devices together, with --hardware.")] = None,
    pf_days: Annotated[float | None, _number("--pf-days", "P", "Units of 8.64e19 FLOPs.")] = None,
    money: Annotated[float | None, _number("--money", "M", "With --hardware and --price-per-hour.")] = None,
    flops: Annotated[float | None, _number("--flops", "C", "Training compute, 6 N D.")] = None,
    hardware: HardwareName = None,
    devices: Devices = None,
    deadline_days: Annotated[
        float | None, typer.Option(help="Days it may take: tells how many devices; with --devices it is the budget.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Of the products; default bf16, else fp16, else fp32.")] = None,
    mfu: Mfu = None,
    usable: Annotated[float, typer.Option(help="Share of the budget for the final run, tests and failures aside.")] = 1.0,
    price_per_hour: PricePerHour = None,
    params: Params = None,
    tokens: Annotated[
        float | None, _number("--tokens", "D", "Tokens that are wished: with a budget their size, alone their budget.")
    ] = None,
    available_tokens: Annotated[
        float | None, _number("--available-tokens", "U", "Tokens of text at hand, each counted once; more are repeats.")
    ] = None,
    inference_tokens: Annotated[
        float | None, _number("--inference-tokens", "T", "Tokens to serve: the model that is cheapest to train and serve.")
    ] = None,
    law: Annotated[
        str, typer.Option(help="chinchilla, hoffmann, approach-1, approach-2, kaplan, muennighoff, or FIT.json of scaling fit.")
    ] = "chinchilla",
    curation: Annotated[
        Path | None, typer.Option(help="What curate or encode made: its yield tells the raw text to collect.")
    ] = None,
    raw_yield: Annotated[float | None, typer.Option(help="Share of raw bytes that are kept; default 0.02.")] = None,
    bytes_per_token: Annotated[float | None, typer.Option(help="Bytes of kept text a token; default 4.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tell the size and tokens that a budget is best spent on, how sure that is, what it takes; and the reverse of it."""
    set_quiet(quiet)
    given = {name: value for name, value in locals().items() if name not in ("as_json", "quiet") and value is not None}
    answer = ask.plan_budget(config.BudgetQuestion.parse(given, "plan budget"))
    print_result(answer.as_json(), as_json, answer.render())
