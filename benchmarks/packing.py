"""Train the same model on the same short documents with each way to fill rows, with the document mask and without.

    python benchmarks/packing.py DIR [--text TEXT] [--steps 300]

The recipe is `decoder_clm` with a model of 2 layers of 128, AdamW, 2,048 tokens a step, not compiled; nothing but
`pretrain.packing` and `pretrain.document_mask` differs. Without TEXT: the text that every installation holds, documents of some
hundred tokens. All are scored as `groundup evaluate` does, document by document. DIR keeps the runs: a second call reads them.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from groundup.core.units import format_seconds
from groundup.recipe import SHIPPED
from groundup.train.metrics import read_rows

WAYS = {
    "windows, masked": ("windows", True),
    "windows, not masked": ("windows", False),
    "best fit, masked": ("best_fit", True),
    "best fit, not masked": ("best_fit", False),
}
SETTINGS = (
    "tokenizer.vocab_size=2048",
    "model.dim=128",
    "model.num_layers=2",
    "model.qk_norm=false",
    "pretrain.optimizer.name=adamw",
    "pretrain.batch_tokens=2048",
    "pretrain.compile=off",
    "pretrain.evaluate.enabled=false",
)
BEFORE = ("curate", "tokenizer", "encode")


def train(folder: Path, text: Path | None, steps: int, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what the evaluation found, and the metrics; train unless it was done before."""
    packing, masked = WAYS[name]
    out, first = folder / name.replace(", ", "-").replace(" ", "-"), folder / "windows-masked"
    given = [*SETTINGS, f"pretrain.steps={steps}", f"pretrain.packing={packing}", f"pretrain.document_mask={str(masked).lower()}"]
    if text is not None:
        given.append(f"curate.sources=[{{name: text, path: {text.absolute()}}}]")
    if not (out / "evaluate" / "manifest.json").exists():
        for stage in BEFORE if out != first else ():
            shutil.copytree(first / stage, out / stage, dirs_exist_ok=True)
        settings = [part for setting in given for part in ("--set", setting)]
        command = [sys.executable, "-m", "groundup", "run", str(SHIPPED / "decoder_clm.yaml"), "--out", str(out)]
        subprocess.run([*command, "--until", "evaluate", *settings], check=True)
    found = json.loads((out / "evaluate" / "evaluation.json").read_text())
    return found, read_rows(out / "pretrain" / "metrics.jsonl")


def main() -> None:
    """Train in each way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    table = Table("rows", "bits per byte", "targets of a row", "median step")
    for name in WAYS:
        found, rows = train(given.folder, given.text, given.steps, name)
        targets = sum(row["targets"] for row in rows) / rows[-1]["tokens"]
        step_s = statistics.median(row["step_s"] for row in rows)
        table.add_row(name, f"{found['bits_per_byte']:.4f}", f"{targets:.1%}", format_seconds(step_s))
    Console().print(table)


if __name__ == "__main__":
    main()
