"""Hold every layout equal to one process, and print a Markdown table of the largest differences.

    python benchmarks/parallel/equality.py [--modes NAME,...] [--tasks ...] [--accumulate 1,3] [--dtype float64,float32]

Each mode trains a small model for 5 steps on many processes of this machine (gloo), with uneven counts of targets, and is compared
with one process on the same batches: losses, gradient norms, and all weights, gathered. Ends with 1 if one is further off than
1e-10 (float64) or 5e-5 (float32). See worker.py and modes.py.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from modes import MODES, TASKS

WORKER = Path(__file__).with_name("worker.py")
BOUNDS = {"float64": 1e-10, "float32": 5e-5}
COMPARED = ("loss", "grad_norm", "weights")


def run(size: int, given: argparse.Namespace, dtype: str) -> list[dict[str, Any]]:
    """Return what the worker found with so many processes."""
    own = ["--modes", given.modes, "--tasks", given.tasks, "--accumulate", given.accumulate, "--dtype", dtype]
    return launch(size, WORKER, [*own, "--one-task"] if given.one_task else own)


def launch(size: int, script: Path, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the JSON objects that so many processes of a script print; raise SystemExit with their words if one fails."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), "--rdzv-backend", "c10d"]
    done = subprocess.run(
        [*launcher, "--rdzv-endpoint", "localhost:0", str(script), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{size} processes ended with {done.returncode}:\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def is_equal(found: dict[str, Any]) -> bool:
    """Return whether a case is as near to one process as it is to be."""
    return found["targets"] == 0 and all(found[what] <= BOUNDS[found["dtype"]] for what in COMPARED)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Return the cases as a Markdown table."""
    head = ["mode", "processes", "task", "accumulate", "dtype", *COMPARED]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row["mode"], str(MODES[row["mode"]].world_size), row["task"], str(row["accumulate"]), row["dtype"]]
        lines.append("| " + " | ".join([*cells, *(f"{row[what]:.1e}" for what in COMPARED)]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compare, print, and say by the exit code whether all are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--accumulate", default="1,3")
    parser.add_argument("--dtype", default="float64,float32")
    parser.add_argument("--one-task", action="store_true", help="each mode with one of the tasks, in turn")
    given = parser.parse_args()
    sizes = sorted({MODES[name].world_size for name in given.modes.split(",")})
    rows = [row for dtype in given.dtype.split(",") for size in sizes for row in run(size, given, dtype)]
    sys.stdout.write(table(rows) + "\n")
    sys.exit(0 if all(map(is_equal, rows)) else 1)


if __name__ == "__main__":
    main()
