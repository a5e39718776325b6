"""Commands of groundup as users type them, each a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
import warm

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def groundup(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command, and return how it ended and what it said."""
    return start(*words, cwd=cwd).ended()


def start(*words: str | Path, cwd: Path | None = None) -> warm.Program:
    """Start a command, with a group of processes of its own."""
    return warm.Program(["-m", "groundup", *words], cwd, ENV)
