"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
WorkerCount = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default one a core. Changes no result.")]
Engine = Annotated[str, typer.Option("--engine", help="Where they run: local, or ray (a Ray cluster).")]
