"""One rung trained: the line as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundup.core.errors import Stopped
from groundup.core.files import storage_errors

LOG_FILE = "log.txt"
RECIPE_FILE = "recipe.yaml"
_GRACE_S = 120.0
"""What a run may take to save itself before it is killed."""
_TOLD_LINES = 3


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do; it is pickled."""

    name: str
    folder: Path
    """Holds recipe.yaml, and links to the stages that all rungs share."""
    threads: int | None
    """None: as many as the worker has."""


@dataclass(frozen=True)
class Ended:
    """How it went."""

    name: str
    code: int
    words: str
    """What the process said last, if it failed."""

    @property
    def is_stopped(self) -> bool:
        return self.code == Stopped.exit_code


def run_rung(task: Task) -> Ended:
    """Walk the line of the rung up to its training, and say how the process ended; stopped on the way, it saves itself first."""
    command = [sys.executable, "-m", "groundup.ladder.attached", "run", str(task.folder / RECIPE_FILE), "--out", str(task.folder)]
    environment = dict(os.environ)
    if task.threads is not None:
        environment["OMP_NUM_THREADS"] = str(task.threads)
    log = task.folder / LOG_FILE
    with storage_errors(log), log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True
        )
        with _let_go(process):
            code = process.wait()
    return Ended(task.name, code, "" if code == 0 else _last_words(log))


@contextmanager
def _let_go(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let the process save itself and end where the block is left before it did."""
    try:
        yield
    finally:
        assert process.stdin is not None, "it was opened"
        process.stdin.close()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-_TOLD_LINES:])
