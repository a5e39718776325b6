"""Hold every layout equal to one process, and print a Markdown table of the largest differences.

    python benchmarks/parallel/equality.py [--modes NAME,...] [--tasks ...] [--accumulate 1,3] [--dtype float64,float32]

Each mode trains a small model for 5 steps on many processes of this machine (gloo), with uneven counts of targets, and is compared
with one process on the same batches: losses, gradient norms, and all weights, gathered. 'MODE + muon' trains it with another
optimizer than AdamW. Ends with 1, and names the cases, if one is further off than 1e-10 (float64) or 5e-5 (float32). See worker.py
and modes.py.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import forked
from modes import MODES, TASKS, layout_of

WORKER = Path(__file__).with_name("worker.py")
BOUNDS = {"float64": 1e-10, "float32": 5e-5}
COMPARED = ("loss", "grad_norm", "weights")


def run(size: int, given: argparse.Namespace, dtype: str) -> list[dict[str, Any]]:
    """Return what the worker found with so many processes."""
    own = ["--modes", given.modes, "--tasks", given.tasks, "--accumulate", given.accumulate, "--dtype", dtype]
    return launch(size, WORKER, [*own, "--one-task"] if given.one_task else own)


def launch(size: int, script: Path, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the JSON objects that so many processes of a script print; raise SystemExit with their words if one fails."""
    done = forked.run(size, script, arguments)
    if done.returncode:
        raise SystemExit(f"{size} processes ended with {done.returncode}:\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def is_equal(found: dict[str, Any]) -> bool:
    """Return whether a case is as near to one process as it is to be."""
    return found["targets"] == 0 and all(found[what] <= BOUNDS[found["dtype"]] for what in COMPARED)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the largest differences of each mode, over tasks and micro-batches, as a Markdown table."""
    dtypes = list(dict.fromkeys(row["dtype"] for row in rows))
    head = ["layout", "processes", *(f"{what}, {dtype}" for dtype in dtypes for what in COMPARED)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for mode in dict.fromkeys(row["mode"] for row in rows):
        of_mode = [row for row in rows if row["mode"] == mode]
        worst = [max(row[what] for row in of_mode if row["dtype"] == dtype) for dtype in dtypes for what in COMPARED]
        cells = [mode, str(layout_of(mode).world_size), *(f"{difference:.1e}" for difference in worst)]
        lines.append(f"| {' | '.join(cells)} |")
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
    sizes = sorted({layout_of(name).world_size for name in given.modes.split(",")})
    rows = [row for dtype in given.dtype.split(",") for size in sizes for row in run(size, given, dtype)]
    sys.stdout.write(table(rows) + "\n")
    far = [row for row in rows if not is_equal(row)]
    sys.exit("\n".join(["too far from one process:", *map(json.dumps, far)]) if far else 0)


if __name__ == "__main__":
    main()
