"""Print the predicted and the measured peak memory of every published run at hand; exits 1 if the target is missed.

    python benchmarks/planning/memory_rows.py

Target: median |error| at most 10 %, none under by more than 10 %, over rows in bfloat16 (FP8 rows stand apart: they are printed and
not counted). No constant is fitted on these rows: the margin is the median of measured families (`margins.yaml`), the family of the
row left out. Runs are read from the folder `planning` of GROUNDUP_DATA (default `../shared/data` of the repository), further
published ones are FURTHER below.
"""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from acceptance_checks import PLANNING, read_rows
from rich.console import Console
from rich.table import Table

from groundup.estimate.device_memory import Memory, Training, device_memory
from groundup.estimate.device_memory.margin import allocator_share
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

GIB = 2**30
MODELS = {"Llama-3.1-8B": "llama3-8b", "Llama-3.1-70B": "llama3-70b", "Llama-3.1-405B": "llama3-405b", "BLOOM": "bloom-176b"}
FAMILIES = {"tt": "torchtitan", "bloom": "bloom"}
TARGET = 0.10


@dataclass(frozen=True)
class Run:
    """A run whose peak memory was published."""

    name: str
    model: str
    measured: float
    """In GiB."""
    layout: Layout
    training: Training
    is_fp8: bool
    is_given: bool = True

    @property
    def memory(self) -> Memory:
        return device_memory(find_preset(self.model).config, self.layout, self.training)

    @property
    def error(self) -> float:
        return self.memory.total / GIB / self.measured - 1


def given() -> Iterator[Run]:
    """Yield the runs of the table."""
    for row in read_rows(PLANNING / "published_runs.csv"):
        if row["metric"] != "peak_memory":
            continue
        name = row["model"].split(" ")[0]
        family = FAMILIES[row["id"].split("-")[0]]
        axes = {axis: int(row[axis] or 1) for axis in ("dp", "tp", "pp", "cp")}
        zero = 3 if row["zero_fsdp"].startswith("FSDP") else 0
        layout = Layout(**axes, zero=zero, micro_batch=int(row["micro_batch"]), recompute=row["act_ckpt"])
        is_fp8 = "fp8" in row["precision"]
        training = Training(RowLengths.causal(int(row["seq"])), compiled="compile" in row["model"], fp8=is_fp8, own_family=family)
        yield Run(row["id"], MODELS[name], float(row["value"]), layout, training, is_fp8)


FURTHER: tuple[tuple[str, str, float, dict[str, Any], dict[str, Any]], ...] = (
    *(
        (f"tt-8b-cp{cp}-fp8", "llama3-8b", measured, {"dp": 8 // cp, "cp": cp}, {"seq_len": 32768 * cp})
        for cp, measured in ((1, 83.9), (2, 84.2), (4, 84.0), (8, 84.5))
    ),
    ("tt-70b-256g-fp8", "llama3-70b", 71.9, {"dp": 32, "tp": 8, "micro_batch": 16}, {"seq_len": 8192}),
    (
        "tt-405b-512g-1f1b-fp8", "llama3-405b", 82.5, {"dp": 8, "tp": 8, "pp": 8, "micro_batch": 4},
        {"seq_len": 8192, "num_micro_batches": 8},
    ),
    (
        "tt-405b-512g-interleaved-fp8", "llama3-405b", 72.7,
        {"dp": 8, "tp": 8, "pp": 8, "micro_batch": 2, "schedule": "interleaved"}, {"seq_len": 8192, "num_micro_batches": 16},
    ),
    *(
        (
            f"tt-405b-cp{cp}-fp8", "llama3-405b", measured, {"dp": 8 // cp, "cp": cp, "tp": 8, "pp": 8},
            {"seq_len": 32768 * cp, "num_micro_batches": 8},
        )
        for cp, measured in ((1, 75.3), (2, 75.9), (4, 77.1), (8, 84.9))
    ),
)  # fmt: skip
"""torchtitan, benchmarks of December 2024, tables 2, 4, 5, 6: FP8, compiled, full recomputation; GiB."""


def further() -> Iterator[Run]:
    """Yield runs that are published elsewhere."""
    for name, model, measured, layout, training in FURTHER:
        said = {**training, "compiled": True, "fp8": True, "own_family": "torchtitan"}
        rows = RowLengths.causal(said.pop("seq_len"))
        yield Run(name, model, measured, Layout(**{"zero": 3, "recompute": "full", **layout}), Training(rows, **said), True, False)
    bloom = Layout(dp=8, tp=4, pp=12, zero=1, micro_batch=2, recompute="full")
    many = Training(RowLengths.causal(2048), own_family="bloom", num_micro_batches=128)
    yield Run("bloom-176b-384g (about 60 GB)", "bloom-176b", 60e9 / GIB, bloom, many, False, False)


def main() -> None:
    runs = [*(given() if (PLANNING / "published_runs.csv").is_file() else ()), *further()]
    table = Table(
        "run", "measured GiB", "predicted GiB", "error", "states", "activations", "logits", "gathered", "buffers", "margin", ""
    )
    for run in runs:
        lines = run.memory.lines
        parts = [run.memory.states, *(lines[line] for line in ("activations", "logits", "gathered", "buffers", "margin"))]
        note = "FP8" if run.is_fp8 else ""
        numbers = [
            f"{run.measured:.1f}",
            f"{run.memory.total / GIB:.1f}",
            f"{run.error:+.1%}",
            *(f"{part / GIB:.1f}" for part in parts),
        ]
        table.add_row(run.name, *numbers, note)
    console = Console(width=180)
    console.print(table)
    counted = [run.error for run in runs if not run.is_fp8]
    apart = [run.error for run in runs if run.is_fp8]
    for what, errors in (("bfloat16", counted), ("FP8, apart", apart)):
        median = statistics.median(abs(error) for error in errors)
        console.print(f"{what}: {len(errors)} rows, median |error| {median:.1%}, from {min(errors):+.1%} to {max(errors):+.1%}")
    console.print(f"margin: {allocator_share('torchtitan'):.1%} of live bytes, the median of families without that of the rows")
    is_met = statistics.median(abs(error) for error in counted) <= TARGET and min(counted) >= -TARGET
    console.print("met" if is_met else "MISSED")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
