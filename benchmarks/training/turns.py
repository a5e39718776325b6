"""A worker's side of taking turns: after each optimizer step it says so and waits until it may go on."""

import json
import os
import sys
import time
from pathlib import Path

_START_S = time.perf_counter()
_CHANNEL = os.dup(1)
os.dup2(2, 1)  # what the trainer prints must not be taken for a message


class Turns:
    """Messages of one worker: a line of JSON for each step that ended."""

    def __init__(self) -> None:
        self._begun_s = _START_S

    def step_ended(self, *_: object) -> None:
        """Report the time since the last turn began, and wait for the next; leave when there is none."""
        self.report(time.perf_counter() - self._begun_s)

    def report(self, seconds: float, **more: float) -> None:
        """Report a turn of so many seconds."""
        message = {"seconds": seconds, "peak_bytes": peak_bytes(), **more}
        os.write(_CHANNEL, (json.dumps(message) + "\n").encode())
        if not sys.stdin.readline().startswith("go"):
            os._exit(0)
        self._begun_s = time.perf_counter()


def hook_every_optimizer() -> None:
    """Take turns by the steps of whatever torch optimizer is used."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(Turns().step_ended)


def peak_bytes() -> int:
    """Return the peak resident memory of this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
