"""Hold the plan's forecasts, before and after calibration, against real runs that the calibration has not seen.

    python benchmarks/planning/calibration.py [--out runs/calibration] [--repeats 5] [--only CONFIGURATION ...]

Some configurations are planned and trained once: that is the calibration, in a home of its own. Others are then planned, before
any of them takes a step, and each is trained so many times, in turn; each plan and each run is a process of its own. Prints memory
(growth of the peak over the process with its libraries) and time (of the training loop): foreseen by formulas and probes alone,
foreseen with the calibration, measured (median), and the spread of the runs. Made again, it goes on where it was stopped; the
trained models are not kept. About 20 minutes on two cores, with nothing else on the machine.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from groundup import orders, pipeline
from groundup.artifacts.plan import Plan
from groundup.core.allocator import begin_with_settings
from groundup.core.home import HOME
from groundup.recipe import Recipe

TOLERANCES = {"memory": 0.10, "time": 0.15}
BASE: dict[str, Any] = {
    "name": "calibration",
    "curate": {"sources": [{"name": "docs", "kind": "installed-docs"}], "validation": 0.05},
    "tokenizer": {"vocab_size": 4096, "special": {"mask": True, "sep": True, "pad": True, "sentinels": 100}},
    "model": {"dim": 128, "num_layers": 4},
    "pretrain": {"seq_len": 256, "batch_tokens": 4096, "steps": 20, "compile": "off", "precision": "fp32"},
}
ENCODER = {"shape": "encoder"}
MASKED = {"objective": {"name": "masked", "rate": 0.3}, "seq_len": 128}
BOTH = {"shape": "encoder_decoder", "position": "t5_bias", "scale_scores": False, "feed_forward": "geglu_tanh", "init": "t5"}
SPANS = {"objective": {"name": "span_corruption"}}
BF16 = {"precision": "bf16"}
Settings = tuple[dict[str, Any], dict[str, Any]]
"""Of the model, of its training."""

CALIBRATING: dict[str, Settings] = {
    "1M fp32": ({"dim": 128, "num_layers": 4}, {"micro_batch": 8, "steps": 40}),
    "4M bf16": ({"dim": 256, "num_layers": 4}, {"micro_batch": 4, **BF16, "steps": 24}),
    "8M bf16": ({"dim": 320, "num_layers": 5}, {"micro_batch": 8, **BF16, "steps": 16}),
    "6M fp32": ({"dim": 256, "num_layers": 6}, {"micro_batch": 8, "steps": 20}),
    "encoder 3M fp32": ({"dim": 192, "num_layers": 4, **ENCODER}, {**MASKED, "micro_batch": 16, "steps": 30}),
    "encoder 2M bf16": ({"dim": 192, "num_layers": 3, **ENCODER}, {**MASKED, "micro_batch": 16, **BF16, "steps": 30}),
    "encoder-decoder 4M fp32": ({"dim": 192, "num_layers": 3, **BOTH}, {**SPANS, "micro_batch": 8, "steps": 24}),
    "encoder-decoder 2M fp32": ({"dim": 128, "num_layers": 3, **BOTH}, {**SPANS, "micro_batch": 8, "steps": 30}),
    "6M fp32 full": ({"dim": 320, "num_layers": 3}, {"micro_batch": 4, "recompute": "full", "steps": 20}),
    "5M bf16 full": ({"dim": 256, "num_layers": 5}, {"micro_batch": 8, "recompute": "full", **BF16, "steps": 16}),
    "5M bf16 selective": ({"dim": 256, "num_layers": 5}, {"micro_batch": 8, "recompute": "selective", **BF16, "steps": 16}),
    "2M fp32 compiled": ({"dim": 192, "num_layers": 3}, {"micro_batch": 8, "compile": "on", "steps": 40}),
    "4M bf16 compiled": ({"dim": 256, "num_layers": 4}, {"micro_batch": 8, "compile": "on", **BF16, "steps": 24}),
    "6M fp32 compiled": ({"dim": 320, "num_layers": 3}, {"micro_batch": 4, "compile": "on", "steps": 20}),
}
UNSEEN: dict[str, Settings] = {
    "12M bf16": ({"dim": 384, "num_layers": 6}, {"micro_batch": 8, **BF16, "steps": 14}),
    "3M fp32": ({"dim": 192, "num_layers": 6}, {"micro_batch": 16, "steps": 30}),
    "encoder 5M bf16": ({"dim": 256, "num_layers": 5, **ENCODER}, {**MASKED, "micro_batch": 32, **BF16, "steps": 24}),
    "encoder-decoder 6M fp32": ({"dim": 256, "num_layers": 3, **BOTH}, {**SPANS, "micro_batch": 8, "steps": 20}),
    "5M fp32 compiled": ({"dim": 256, "num_layers": 5}, {"micro_batch": 8, "compile": "on", "steps": 24}),
    "9M bf16 full": ({"dim": 320, "num_layers": 6}, {"micro_batch": 4, "recompute": "full", **BF16, "steps": 14}),
}


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a configuration."""
    model, train = {**CALIBRATING, **UNSEEN}[name]
    tree = {**BASE, "model": model, "pretrain": {**BASE["pretrain"], **train}}
    return Recipe.parse(yaml.safe_load(json.dumps(tree)), name)


def slug(name: str) -> str:
    """Return the name as that of a folder: what is compiled may not lie in one with spaces."""
    return name.replace(" ", "-")


def folders_of(out: Path, name: str, run: Path) -> dict[str, Path]:
    """Return where the stages lie: data in one place for all, the plan in one for all runs of a configuration."""
    data = {verb: out / "data" / verb for verb in ("curate", "tokenizer", "encode")}
    return {**data, "plan": out / "plans" / slug(name) / "plan", "pretrain": run / "pretrain"}


def make_stage(out: Path, verb: str, name: str, run: Path) -> None:
    """Make one stage of a configuration, in this process."""
    recipe = recipe_of(name)
    order = pipeline.order_stage(pipeline.find_stage(verb), recipe, folders_of(out, name, run))
    orders.carry_out(order, force=True)


def in_a_process(out: Path, verb: str, name: str, run: Path, home: Path) -> None:
    """Make one stage in a process of its own; what is compiled for a plan is there for each of its runs, and no more."""
    compiled, planned = run / "inductor", out / "plans" / slug(name) / "inductor"
    if verb == "pretrain" and planned.exists():
        shutil.copytree(planned, compiled, dirs_exist_ok=True)
    cache = planned if verb == "plan" else compiled
    environment = {**os.environ, HOME: str(home), "TORCHINDUCTOR_CACHE_DIR": str(cache.absolute())}
    command = [sys.executable, __file__, "--out", str(out), "--stage", verb, "--name", name, "--run", str(run)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=(out / "log.txt").open("a"))


def planned(out: Path, name: str, home: Path) -> Plan:
    """Return the plan of a configuration, made now if it is not there."""
    folder = out / "plans" / slug(name) / "plan"
    if not (folder / "manifest.json").exists():
        in_a_process(out, "plan", name, folder.parent, home)
    return Plan.open(folder)


def trained(out: Path, name: str, number: int, home: Path) -> dict[str, float]:
    """Return growth and time of a run, trained now if its result is not there."""
    result = out / "measured" / f"{slug(name)}-{number}.json"
    if not result.exists():
        run = out / "work" / f"{slug(name)}-{number}"
        shutil.rmtree(run, ignore_errors=True)
        in_a_process(out, "pretrain", name, run, home)
        memory, speed = (json.loads((run / "pretrain" / file).read_text()) for file in ("memory.json", "speed.json"))
        result.parent.mkdir(parents=True, exist_ok=True)
        growth = memory["peak_memory_bytes"] - memory["start_rss_bytes"]
        result.write_text(json.dumps({"memory": growth, "time": speed["train_s"], "step": speed["median_step_s"]}))
        shutil.rmtree(run)
    found: dict[str, float] = json.loads(result.read_text())
    return found


def row_of(name: str, plan: Plan, runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return forecasts beside what was measured: {"name", "memory": {...}, "time": {...}}."""
    forecast = plan.forecast
    assert forecast.calibrated is not None, "the recipes leave calibration on"
    plain = {"memory": forecast.calibrated.plain.growth_bytes, "time": forecast.calibrated.plain_train_s}
    told = {"memory": float(forecast.growth_bytes), "time": forecast.train_s}
    row: dict[str, Any] = {"name": name, "params": forecast.params}
    for what in TOLERANCES:
        values = [run[what] for run in runs]
        measured = statistics.median(values)
        row[what] = {
            "plain": plain[what],
            "foreseen": told[what],
            "measured": measured,
            "spread": (max(values) - min(values)) / measured,
            "error_before": plain[what] / measured - 1,
            "error_after": told[what] / measured - 1,
        }
    return row


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table, and how many forecasts are within the tolerance."""
    console = Console(width=150)
    units = {"memory": (1e-6, "MB", ".0f"), "time": (1.0, "s", ".1f")}
    for what, tolerance in TOLERANCES.items():
        scale, unit, form = units[what]
        columns = ("configuration", "parameters", f"plain, {unit}", f"calibrated, {unit}", f"measured, {unit}")
        table = Table(*columns, "spread", "error before", "error after", title=what)
        for row in rows:
            found = row[what]
            amounts = (f"{found[key] * scale:{form}}" for key in ("plain", "foreseen", "measured"))
            errors = (f"{found[key]:+.1%}" for key in ("error_before", "error_after"))
            table.add_row(row["name"], f"{row['params'] / 1e6:.1f}M", *amounts, f"{found['spread']:.0%}", *errors)
        console.print(table)
        for key in ("error_before", "error_after"):
            errors_of = [abs(row[what][key]) for row in rows]
            within = sum(error <= tolerance for error in errors_of)
            mean = statistics.fmean(errors_of)
            console.print(f"{what}, {key.replace('_', ' ')}: mean {mean:.1%}, {within} of {len(rows)} within {tolerance:.0%}")


def main() -> None:
    """Calibrate, foresee, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=UNSEEN, default=list(UNSEEN))
    for hidden in ("--stage", "--name", "--run"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    begin_with_settings()  # as commands do
    out = given.out.absolute()
    if given.stage:
        make_stage(out, given.stage, given.name, Path(given.run))
        return
    out.mkdir(parents=True, exist_ok=True)
    pipeline.run_line(recipe_of("1M fp32"), out / "data", until="encode")
    for name in CALIBRATING:
        planned(out, name, out / "home")
        print(f"calibrating: {name}: {trained(out, name, 0, out / 'home')}", flush=True)
    plans = {name: planned(out, name, out / "home") for name in given.only}
    for number in range(given.repeats):
        for name in given.only:
            print(f"{name}, run {number + 1}: {trained(out, name, number, out / 'home of the unseen')}", flush=True)
    rows = [row_of(name, plan, [trained(out, name, n, out / "home") for n in range(given.repeats)]) for name, plan in plans.items()]
    (out / "table.json").write_text(json.dumps(rows, indent=2))
    show(rows)


if __name__ == "__main__":
    main()
