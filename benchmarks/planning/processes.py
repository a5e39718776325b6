"""Hold the plan's forecast of a step of many processes of a CPU against the steps that they take.

    python benchmarks/planning/processes.py [--out runs/processes] [--repeats 3] [--only CONFIGURATION ...]

Each launch (torchrun, 2 processes of one thread) plans and trains as a user's does. Prints the step that was foreseen, the median
step that was taken, each as the median of all launches, and the error; ends with 1 if one is further off than 15 %. Data are made
once; about a minute for each launch on two free cores.
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
from calibration import BASE

from groundup import pipeline
from groundup.recipe import Recipe

TOLERANCE = 0.15
PROCESSES = 2
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "3M fp32": ({"dim": 192, "num_layers": 6}, {"micro_batch": 8, "steps": 30}),
    "12M bf16": ({"dim": 384, "num_layers": 6}, {"micro_batch": 4, "precision": "bf16", "steps": 20}),
}
CONFIGURATIONS = {f"{name}, {way}": (name, zero) for name in MODELS for way, zero in (("DDP", 0), ("zero 3", 3))}


def recipe_of(name: str) -> dict[str, Any]:
    """Return the recipe of a configuration."""
    model, zero = CONFIGURATIONS[name]
    sizes, train = MODELS[model]
    parallel = {"dp": PROCESSES, "zero": zero}
    return {**BASE, "model": sizes, "pretrain": {**BASE["pretrain"], **train}, "parallel": parallel}


def launched(out: Path, name: str, number: int) -> dict[str, float]:
    """Return what a launch foresaw and took [s]."""
    run = out / f"{name.replace(', ', '-').replace(' ', '-')}-{number}"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(out / "data", run)
    recipe = run / "recipe-of-the-launch.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(name)))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES), "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", "localhost:0", "-m", "groundup", "run", str(recipe), "--out", str(run), "--until", "pretrain"]
    with (out / "log.txt").open("a") as log:
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=log, stderr=log)
    forecast, speed = (json.loads((run / file).read_text()) for file in ("plan/forecast.json", "pretrain/speed.json"))
    shutil.rmtree(run)
    return {"foreseen": forecast["step_s"], "taken": speed["median_step_s"]}


def main() -> None:
    """Launch, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/processes"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    given = parser.parse_args()
    out = given.out.absolute()
    pipeline.run_line(Recipe.parse(recipe_of(given.only[0]), "processes"), out / "data", until="encode")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in given.only}
    for number in range(given.repeats):
        for name in given.only:
            found[name].append(launched(out, name, number))
            print(f"{name}, launch {number + 1}: {found[name][-1]}", flush=True)
    print("| configuration | foreseen [s] | measured [s] | error |\n|---|---|---|---|")
    worst = 0.0
    for name, runs in found.items():
        foreseen, taken = (statistics.median(run[key] for run in runs) for key in ("foreseen", "taken"))
        worst = max(worst, abs(foreseen / taken - 1))
        print(f"| {name} | {foreseen:.3f} | {taken:.3f} | {foreseen / taken - 1:+.1%} |")
    sys.exit(0 if worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
