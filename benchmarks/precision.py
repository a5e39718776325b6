"""Train the same model on the same text in each precision, and draw the losses beside each other.

    python benchmarks/precision.py DIR --text TEXT [--steps 120] [--picture FILE.png]

The recipe is `decoder_clm` with a model of 2 layers of 128, AdamW, 1,024 tokens a step, not compiled; nothing but
`pretrain.precision` differs. The rate is a quarter of the default: at the edge of what is stable, runs that differ in rounding
part. Step times are medians, and mean something on an idle machine alone. DIR keeps the runs: a second call reads them.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from groundup.core.units import format_bytes, format_seconds
from groundup.recipe import SHIPPED
from groundup.train.hooks.evaluation import EVALUATIONS_FILE, read_evaluations
from groundup.train.metrics import read_rows

PRECISIONS = ("fp32", "bf16", "bf16_weights", "fp16")
SETTINGS = (
    "tokenizer.vocab_size=2048",
    "model.dim=128",
    "model.num_layers=2",
    "model.qk_norm=false",
    "pretrain.optimizer.name=adamw",
    "pretrain.optimizer.learning_rate=1e-3",
    "pretrain.batch_tokens=1024",
    "pretrain.compile=off",
)
BEFORE = ("curate", "tokenizer", "encode")
SMOOTHED_STEPS = 10
LAST_STEPS = 20


@dataclass(frozen=True)
class Run:
    """What one run left behind."""

    rows: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    rise_bytes: int
    """Peak memory of the process above that before the model was made."""
    step_s: float

    @classmethod
    def read(cls, folder: Path) -> "Run":
        rows, memory = read_rows(folder / "metrics.jsonl"), json.loads((folder / "memory.json").read_text())
        step_s = statistics.median(row["step_s"] for row in rows)
        rise_bytes = memory["peak_memory_bytes"] - memory["start_rss_bytes"]
        return cls(rows, read_evaluations(folder / EVALUATIONS_FILE), rise_bytes, step_s)

    @property
    def last_loss(self) -> float:
        """The mean of the last steps."""
        return statistics.fmean(row["loss"] for row in self.rows[-LAST_STEPS:])

    @property
    def overflows(self) -> int:
        return sum("overflow" in row["events"] for row in self.rows)


def train(folder: Path, text: Path, steps: int, precision: str) -> Run:
    """Train in that precision, unless it was done before."""
    given = [*SETTINGS, f"curate.sources=[{{name: text, path: {text.absolute()}}}]", f"pretrain.steps={steps}"]
    out = folder / precision
    if not (out / "pretrain" / "manifest.json").exists():
        first = folder / PRECISIONS[0]
        for stage in BEFORE if out != first else ():
            shutil.copytree(first / stage, out / stage, dirs_exist_ok=True)
        settings = [part for setting in (*given, f"pretrain.precision={precision}") for part in ("--set", setting)]
        command = [sys.executable, "-m", "groundup", "run", str(SHIPPED / "decoder_clm.yaml"), "--out", str(out)]
        subprocess.run([*command, "--until", "pretrain", *settings], check=True)
    return Run.read(out / "pretrain")


def draw(runs: dict[str, Run], path: Path) -> None:
    """Draw the losses, and below how far each is from that of float32 at the same step."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    reference = np.array([row["loss"] for row in runs[PRECISIONS[0]].rows])
    for color, (precision, run) in enumerate(runs.items()):
        losses, kernel = np.array([row["loss"] for row in run.rows]), np.full(SMOOTHED_STEPS, 1 / SMOOTHED_STEPS)
        places = np.arange(SMOOTHED_STEPS, len(losses) + 1)
        above.plot(places, np.convolve(losses, kernel, "valid"), color=f"C{color}", label=f"{precision}, training")
        steps, held_out = zip(*((row["step"], row["loss"]) for row in run.evaluations), strict=True)
        above.plot(
            steps,
            held_out,
            "o",
            color=f"C{color}",
            markersize=4 + 2 * (3 - color),
            fillstyle="none",
            label=f"{precision}, held out",
        )
        if precision != PRECISIONS[0]:
            below.plot(
                places, np.convolve(losses - reference, kernel, "valid"), color=f"C{color}", label=f"{precision} - {PRECISIONS[0]}"
            )
    above.set_ylabel("loss [nats per token]")
    below.set_ylabel("difference")
    below.set_xlabel(f"step (mean of {SMOOTHED_STEPS} steps)")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Train in each precision, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    runs = {precision: train(given.folder, given.text, given.steps, precision) for precision in PRECISIONS}
    last_steps = f"loss, last {LAST_STEPS} steps"
    table = Table("precision", last_steps, "held-out loss", "bits per byte", "rise of memory", "median step", "skipped steps")
    for precision, run in runs.items():
        last = run.evaluations[-1]
        scores = (f"{run.last_loss:.4f}", f"{last['loss']:.4f}", f"{last['bits_per_byte']:.4f}")
        table.add_row(precision, *scores, format_bytes(run.rise_bytes), format_seconds(run.step_s), str(run.overflows))
    Console().print(table)
    if given.picture:
        draw(runs, given.picture)


if __name__ == "__main__":
    main()
