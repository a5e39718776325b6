"""What the checks before a long run take: `groundup preflight` at the shapes of the other benchmarks.

    python benchmarks/training/preflight_time.py DIR --text TEXT [--tokenizer GPT2] [--set pretrain.optimizer.name=muon ...]

12m: 6 layers, width 384, length 256, a vocabulary of 8,192 learned from TEXT. 124m, with a folder of GPT-2's tokenizer: 12 layers,
width 768, length 512. Text, tokenizer, shards and plan are made first, in DIR, and not counted.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from groundup.core.units import format_seconds


def recipe(text: Path, tokenizer: dict[str, Any], dim: int, layers: int, length: int, batch_tokens: int) -> dict[str, Any]:
    """Return the recipe of a run of that model."""
    return {
        "name": f"preflight-{dim}",
        "seed": 0,
        "curate": {"sources": [{"name": "text", "path": str(text.absolute())}], "validation": 0.02},
        "tokenizer": tokenizer,
        "model": {"dim": dim, "num_layers": layers},
        "pretrain": {"seq_len": length, "batch_tokens": batch_tokens, "steps": 10_000, "compile": "off"},
    }


def check(folder: Path, settings: dict[str, Any], changes: list[str]) -> tuple[list[dict[str, Any]], float]:
    """Return what was checked, and the seconds of the whole command."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "groundup", "preflight", str(file), "--out", str(folder / "run"), "--json", "--quiet"]
    command += [part for change in changes for part in ("--set", change)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # makes what comes before
    start_s = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    command_s = time.perf_counter() - start_s
    found = json.loads(done.stdout)
    return found["checks"], command_s


def main() -> None:
    """Check both shapes and print the seconds of each check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    given = parser.parse_args()
    shapes = {"12m": recipe(given.text, {"vocab_size": 8192}, 384, 6, 256, 4096)}
    if given.tokenizer:
        imported = {"algorithm": "import", "path": str(given.tokenizer.absolute())}
        shapes["124m"] = recipe(given.text, imported, 768, 12, 512, 1024)
    checked = {name: check(given.folder / name, settings, given.changes) for name, settings in shapes.items()}
    table = Table("check", *checked)
    for row in zip(*(checks for checks, _ in checked.values()), strict=True):
        table.add_row(row[0]["name"], *(format_seconds(entry["seconds"]) for entry in row))
    sums = (sum(entry["seconds"] for entry in checks) for checks, _ in checked.values())
    table.add_row("all checks", *map(format_seconds, sums))
    table.add_row("the command, imports included", *(format_seconds(command_s) for _, command_s in checked.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
