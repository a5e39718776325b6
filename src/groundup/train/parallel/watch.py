"""Signs of life of the processes of a launch: who is gone, or hangs, is named."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from torch._C._distributed_c10d import Store

from groundup.core.world import World

TICK_S = 1.0
"""Between two signs of life."""
STALLED_S = 30.0
"""Without a sign, a process is taken for gone."""
GRACE_S = 5.0
"""Time for a process to end by itself once another has failed."""
_LOOK_S = 0.1
"""Between two looks whether the others have left."""
FAILURE: Final = "failure"
_LEFT, _SILENT = "left", "silent"


class Watch:
    """Gives a sign of life every second from a thread, and looks for that of the next process.

    A process that is stopped, or whose machine is gone, gives none: its neighbour says so to all, and those of its machine kill it,
    since the launcher would wait for it. One that has failed has said so itself; whoever is held up in an operation that it will
    never join is ended.
    """

    def __init__(
        self,
        world: World,
        store: Store,
        fail: Callable[[str], None],
        tick_s: float = TICK_S,
        stalled_s: float = STALLED_S,
    ) -> None:
        """`fail` says to all that this process ends, and why."""
        self._world = world
        self._store = store
        self._fail = fail
        self._tick_s = tick_s
        self._stalled_s = stalled_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say that no more signs will come."""
        self._done.set()
        self._thread.join()

    def wait_left(self, longest_s: float) -> None:
        """Wait until all others have said that no more signs will come."""
        until_s = time.monotonic() + longest_s
        while time.monotonic() < until_s and any(sign != _LEFT for rank, sign in self._signs().items() if rank != self._world.rank):
            time.sleep(_LOOK_S)

    def silent(self) -> list[int]:
        """Return the processes that give no sign; takes some ticks."""
        before = self._signs()
        time.sleep(2.5 * self._tick_s)
        after = self._signs()
        return [rank for rank, sign in after.items() if sign == before[rank] and sign != _LEFT and rank != self._world.rank]

    def _signs(self) -> dict[int, str]:
        return {rank: self._sign(rank) for rank in range(self._world.size)}

    def _sign(self, rank: int) -> str:
        key = f"sign-{rank}"
        return self._store.get(key).decode() if self._store.check([key]) else ""

    def _run(self) -> None:
        neighbour, signs, seen, missed = (self._world.rank + 1) % self._world.size, 0, "", 0
        try:
            self._store.set(f"pid-{self._world.rank}", str(os.getpid()))
            while not self._done.wait(self._tick_s):
                signs += 1
                self._store.set(f"sign-{self._world.rank}", str(signs))
                if self._store.check([FAILURE]):
                    self._end()
                sign = self._sign(neighbour)
                missed = 0 if sign != seen or sign == _LEFT else missed + 1  # in ticks: who was stopped itself has missed none
                seen = sign
                if missed * self._tick_s > self._stalled_s:
                    self._store.set(_SILENT, str(neighbour))
                    self._fail(
                        f"process {neighbour} has given no sign of life for {self._stalled_s:.0f} s; {self.place(neighbour)}"
                    )
                    self._end()
            self._store.set(f"sign-{self._world.rank}", _LEFT)
        except RuntimeError:  # the launcher and its store are gone
            return

    def place(self, rank: int) -> str:
        """Return in words where a process was last."""
        key = f"place-{rank}"
        return f"it was last {self._store.get(key).decode()}" if self._store.check([key]) else "it had not begun to train"

    def _end(self) -> None:
        """End the process unless it ends by itself: Python cannot interrupt an operation that waits for another process."""
        self._kill_silent()
        if not self._done.wait(GRACE_S):
            os._exit(int(self._store.get(FAILURE).decode()))

    def _kill_silent(self) -> None:
        """Kill the process that gives no sign, if it is of this machine: torchrun waits 30 s for one that does not end if asked."""
        first = self._world.rank - self._world.local_rank
        silent = int(self._store.get(_SILENT).decode()) if self._store.check([_SILENT]) else -1
        if first <= silent < first + self._world.local_size and self._store.check([f"pid-{silent}"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self._store.get(f"pid-{silent}").decode()), signal.SIGKILL)
