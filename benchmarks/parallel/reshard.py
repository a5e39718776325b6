"""Save a run in each layout, go on in each other, and print how far it is from a run that was not interrupted.

    python benchmarks/parallel/reshard.py [--layouts 'one,ddp 2,...'] [--sources ...]

Each cell of the Markdown table is the largest difference of losses and weights, in float64, after 5 steps, a checkpoint, and 5 more
steps from it. Ends with 1 if one is above 1e-10. See reshard_worker.py; layouts other than 'one' are modes of modes.py.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import forked
import warm
from reshard_worker import layout_of
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from groundup.artifacts.tokenizer import TOKENIZER_FILES

WORKER = Path(__file__).with_name("reshard_worker.py")
BOUND = 1e-10
LAYOUTS = (
    *("one", "ddp 2", "zero1 2", "zero2 2", "zero3 2", "context 2", "pp 2 1f1b", "tp 2"),
    *("hybrid 2x2", "zero1 2 x tp2", "pp2 x zero1 2", "zero1 2 x pp2 x tp2"),
)


def launch(size: int, *arguments: str) -> list[dict[str, Any]]:
    """Return what the worker printed, run on so many processes."""
    done = forked.run(size, WORKER, arguments) if size > 1 else warm.run([WORKER, *arguments])
    if done.returncode:
        raise SystemExit(f"{size} processes ended with {done.returncode}:\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cells(folder: Path, layouts: Sequence[str], sources: Sequence[str]) -> list[dict[str, Any]]:
    """Return a cell for each source that each layout goes on from, with one launch a verb and number of processes."""
    write_tokenizer(folder)
    for size, names in by_size(sources):
        launch(size, "save", "--folder", str(folder), "--layouts", ",".join(names))
    found: list[dict[str, Any]] = []
    for size, names in by_size(layouts):
        found += launch(size, "go_on", "--folder", str(folder), "--layouts", ",".join(names), "--sources", ",".join(sources))
    return found


def write_tokenizer(folder: Path) -> None:
    """Write what checkpoints take along."""
    (folder / "tokenizer").mkdir(parents=True)
    for name in TOKENIZER_FILES:
        Tokenizer(WordLevel({"a": 0})).save(str(folder / "tokenizer" / name))


def by_size(names: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return the layouts by their number of processes."""
    ordered = sorted(names, key=_size)
    return [(size, list(group)) for size, group in groupby(ordered, key=_size)]


def _size(name: str) -> int:
    return layout_of(name).world_size


def difference(cell: dict[str, Any]) -> float:
    """Return how far a cell is from the run that was not interrupted."""
    return max(float(cell["loss"]), float(cell["weights"]))


def table(found: Sequence[dict[str, Any]], layouts: Sequence[str], sources: Sequence[str]) -> str:
    """Return the matrix as Markdown."""
    values = {(cell["saved"], cell["loaded"]): difference(cell) for cell in found}
    lines = [f"| saved in, loaded in: | {' | '.join(layouts)} |", "|---" * (len(layouts) + 1) + "|"]
    lines += [f"| {source} | " + " | ".join(f"{values[source, name]:.1e}" for name in layouts) + " |" for source in sources]
    return "\n".join(lines)


def main() -> None:
    """Compare, print, and say by the exit code whether all are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--sources", default=None)
    given = parser.parse_args()
    layouts = given.layouts.split(",")
    sources = given.sources.split(",") if given.sources else layouts
    with tempfile.TemporaryDirectory() as folder:
        found = cells(Path(folder), layouts, sources)
    sys.stdout.write(table(found, layouts, sources) + "\n")
    sys.exit(0 if all(difference(cell) <= BOUND for cell in found) else 1)


if __name__ == "__main__":
    main()
