"""Launches of groundup on several processes of this machine, as a user makes them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
import forked

LONGEST_S = 150.0
ENV = {"OMP_NUM_THREADS": "1"}


def command(processes: int, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """Return the command that starts so many processes of groundup."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return [*launcher, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", *options, "-m", "groundup", *arguments]


def rows(processes: int, script: str | Path, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the JSON objects that so many processes of a script print."""
    done = forked.run(processes, Path(script), arguments)
    assert not done.returncode, done.stderr[-6000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cases(processes: int, script: str | Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Return them by their 'case'."""
    return {row.pop("case"): row for row in rows(processes, script, arguments)}


def start(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the command, its words going into a file."""
    with log.open("wb") as words:
        return subprocess.Popen(
            command, stdout=words, stderr=subprocess.STDOUT, env={**os.environ, **ENV, **(env or {})}, start_new_session=True
        )


def finish(process: subprocess.Popen[bytes], longest_s: float = LONGEST_S) -> int:
    """Wait for the end and return the exit code; nothing of it is left, whatever comes."""
    try:
        return process.wait(longest_s)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the launch."""
    for pid in [process.pid, *workers(process)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def launch(processes: int, arguments: Sequence[str], log: Path, options: Sequence[str] = ()) -> tuple[int, str]:
    """Return the exit code and all that was said."""
    code = finish(start(command(processes, arguments, options), log))
    return code, log.read_text()


def together(processes: int, arguments: Sequence[str]) -> tuple[int, str]:
    """Return them of so many processes that are started without torchrun, at once: what has nothing to do with it is tested so."""
    done = forked.run(processes, Path(__file__).with_name("command_process.py"), arguments)
    return done.returncode, done.stdout + done.stderr


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that the launcher has started, in the order of their ranks."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return sorted(map(int, children.read_text().split())) if children.exists() else []


def wait_until(is_so: Callable[[], bool], longest_s: float = LONGEST_S) -> None:
    until_s = time.monotonic() + longest_s
    while not is_so():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.05)
