"""Kill a rank at random moments, again and again, and hold what comes of it against a run that was left alone.

    python benchmarks/parallel/kills.py [--layout 'zero3 2'] [--kills 20] [--seed 0]

A small run with dropout saves after every step, so that many kills fall into a save. After each `kill -9` of one rank torchrun ends
the others, and a new launch goes on: never before the newest checkpoint that was whole. At last the weights and the state of the
optimizer and of random numbers are compared, byte for byte, with those of a run that nothing interrupted. Prints one JSON object.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forked
from reshard import write_tokenizer
from reshard_worker import layout_of

from groundup.artifacts.checkpoint import STATE_FILE, WEIGHTS_FILE, checkpoint_folders
from groundup.artifacts.manifest import MANIFEST

WORKER = Path(__file__).with_name("kills_worker.py")
LONGEST_S = 1.5
"""Between the first step of a launch and its kill."""
MORE_STEPS = 3
"""After the last kill."""
FOREVER = 10**9


@dataclass(frozen=True)
class Life:
    """What became of one launch."""

    begun_at: int
    torn: bool
    """Whether the kill left a checkpoint that is not whole."""


def words(layout: str, folder: Path, until: int, every: int = 1) -> list[str]:
    """Return what the worker is told."""
    return ["--folder", str(folder), "--layout", layout, "--until", str(until), "--every", str(every)]


def launched(layout: str, folder: Path, until: int) -> subprocess.Popen[str]:
    """Start the worker on as many processes as the layout wants, in a process group of its own."""
    size = layout_of(layout).world_size
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), "--rdzv-backend", "c10d"]
    return subprocess.Popen(
        [*launcher, "--rdzv-endpoint", "localhost:0", str(WORKER), *words(layout, folder, until)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def life(layout: str, folder: Path, chance: random.Random) -> Life:
    """Start, wait for a first step, kill any rank a little later, and wait for the end of all."""
    process = launched(layout, folder, FOREVER)
    assert process.stdout is not None
    ranks: list[int] = []
    begun_at = -1
    try:
        for line in process.stdout:
            if match := re.match(r"rank \d+ (\d+)$", line):
                ranks.append(int(match[1]))
            elif match := re.match(r"from (\d+)$", line):
                begun_at = int(match[1])
            elif line.startswith("step") and len(ranks) == layout_of(layout).world_size:
                break
        else:
            raise SystemExit(f"a launch ended by itself:\n{process.stderr.read()[-6000:] if process.stderr else ''}")
        time.sleep(chance.uniform(0, LONGEST_S))
        os.kill(chance.choice(ranks), signal.SIGKILL)
        process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Life(begun_at, any(not (step / MANIFEST).is_file() for step in checkpoint_folders(folder / "checkpoints")))


def newest(folder: Path) -> int:
    """Return the step of the newest whole checkpoint, 0 if there is none."""
    steps = [
        int(step.name.removeprefix("step-")) for step in checkpoint_folders(folder / "checkpoints") if (step / MANIFEST).is_file()
    ]
    return max(steps, default=0)


def lives(layout: str, folder: Path, kills: int, chance: random.Random) -> Iterator[Life]:
    """Yield each launch that was killed; raise AssertionError if one did not go on from the newest whole checkpoint."""
    for _ in range(kills):
        before = newest(folder)
        found = life(layout, folder, chance)
        assert found.begun_at == before, f"went on from {found.begun_at}, and {before} was whole"
        yield found


def finish(layout: str, folder: Path, until: int, every: int = 1) -> dict[str, bytes]:
    """Let the run go on to its end; return what its last checkpoint holds of tensors."""
    done = forked.run(layout_of(layout).world_size, WORKER, words(layout, folder, until, every))
    if done.returncode:
        raise SystemExit(f"ended with {done.returncode}:\n{done.stderr[-6000:]}")
    last = folder / "checkpoints" / f"step-{until}"
    return {name: (last / name).read_bytes() for name in (WEIGHTS_FILE, STATE_FILE)}


def compare(layout: str, folder: Path, kills: int, seed: int) -> dict[str, int | bool | str]:
    """Return what was found."""
    write_tokenizer(folder / "killed")
    write_tokenizer(folder / "whole")
    found = list(lives(layout, folder / "killed", kills, random.Random(seed)))
    until = newest(folder / "killed") + MORE_STEPS
    killed = finish(layout, folder / "killed", until)
    return {
        "layout": layout,
        "kills": len(found),
        "kills that left a torn checkpoint": sum(each.torn for each in found),
        "steps": until,
        "bytes equal": killed == finish(layout, folder / "whole", until, every=FOREVER),
    }


def main() -> None:
    """Kill, compare, print, and say by the exit code whether all is equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", default="zero3 2")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = compare(given.layout, Path(folder), given.kills, given.seed)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(0 if found["bytes equal"] else 1)


if __name__ == "__main__":
    main()
