"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from groundup.core.units import parse_count

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No news and no progress on stderr; errors still are.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what --out holds.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the result; refused if it holds something else.")]
RecipePath = Annotated[Path, typer.Argument(help="A recipe (YAML); 'groundup new NAME' makes one to start from.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe: --set budget.minutes=20")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
CheckpointPath = Annotated[Path, typer.Argument(help="A checkpoint, a training run, or a run of the line; RUN/best: its best one.")]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; default one a core, none for little text. Changes no result.")
]
Engine = Annotated[str, typer.Option("--engine", help="Where they run: local, or ray (a Ray cluster).")]


def count(text: str) -> float:
    """Read a number as people write it, for options: 300e9, 300B, 1.4T."""
    try:
        return parse_count(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Params = Annotated[float | None, typer.Option("--params", parser=count, metavar="N", help="Parameters, like 70e9 or 70B.")]
Tokens = Annotated[float, typer.Option("--tokens", parser=count, metavar="D", help="Tokens to train on, like 1.4e12 or 1.4T.")]
HardwareName = Annotated[
    str | None, typer.Option("--hardware", metavar="NAME", help="A device of 'groundup plan hardware', or this: the machine here.")
]
Mfu = Annotated[float | None, typer.Option("--mfu", help="Share of the peak that serves the model; 40 % is 0.4, the default.")]
PricePerHour = Annotated[float | None, typer.Option("--price-per-hour", metavar="X", help="Of one device, in your money.")]
Devices = Annotated[int | None, typer.Option("--devices", min=1, metavar="N", help="How many devices; default 1.")]
