"""The command that answers the first question: use a model, adapt one, or train one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Device, HardwareName, Mfu, PricePerHour, Quiet, count
from groundup.cli.root import plan_app, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup import api
    from groundup.plan import candidates as facts
    from groundup.plan import candidates_text
else:
    api, facts, candidates_text = (lazy(f"groundup.{name}") for name in ("api", "plan.candidates", "plan.candidates_text"))


@plan_app.command("choose")
def plan_choose(
    text: Annotated[Path, typer.Option("--text", help="UTF-8 file, folder of .txt and .md, or what curate made.")],
    candidates: Annotated[
        list[Path] | None,
        typer.Option("--candidate", help="A checkpoint, Hugging Face folder or GGUF file to measure; may be repeated."),
    ] = None,
    tokenizers: Annotated[
        list[Path] | None, typer.Option("--tokenizer", help="A tokenizer to measure beside those of the candidates; repeatable.")
    ] = None,
    flops: Annotated[float | None, typer.Option("--flops", parser=count, metavar="C", help="FLOPs that may be spent.")] = None,
    pf_days: Annotated[float | None, typer.Option("--pf-days", metavar="P", help="The same in 1e15 FLOP/s for a day.")] = None,
    device_hours: Annotated[
        float | None, typer.Option("--device-hours", parser=count, metavar="H", help="Hours of one device, with --hardware.")
    ] = None,
    money: Annotated[
        float | None, typer.Option("--money", parser=count, metavar="M", help="With --price-per-hour and --hardware.")
    ] = None,
    price_per_hour: PricePerHour = None,
    hardware: HardwareName = None,
    mfu: Mfu = None,
    vocab_size: Annotated[int | None, typer.Option(help="Of the tokenizer trained on the text; default 16,000.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whether to use an existing model, adapt one or train your own, by measurements on your text, with the reasons."""
    set_quiet(quiet)
    found = api.plan_choose(
        text,
        candidates or (),
        tokenizers or (),
        vocab_size=vocab_size,
        device=device,
        flops=flops,
        pf_days=pf_days,
        device_hours=device_hours,
        money=money,
        price_per_hour=price_per_hour,
        hardware=hardware,
        mfu=mfu,
    )
    print_result(facts.as_json(found), as_json, None if as_json else candidates_text.render(found))
