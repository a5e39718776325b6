"""The processes of one launch, and what they tell each other beside what they compute together."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import torch.distributed as dist
from torch._C._distributed_c10d import Store

from groundup.core.errors import FailedElsewhere, GroundupError, Stopped, WorkerError
from groundup.core.log import complain
from groundup.core.world import World
from groundup.train.parallel.watch import FAILURE, GRACE_S, Watch
from groundup.train.parallel.world import is_of_agent, open_store
from groundup.train.stop import STOPPING

_CALLED, _DONE, _WAITS, _ASKED = "called", "done", "waits", "asked"
PAUSE_S = 0.2
"""Between two looks for a word of the first process."""
FIRST_S = 1.0
"""What the first process is left to tell of an error that all meet."""
MEET_S = 10.0
"""How long the first process waits for the others before it does without them what could be done together."""


class Crew:
    """One process among those of a launch.

    The first walks the line as if it were alone; the others wait until it calls them to train. A process that fails says so, and
    one of them says why.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._store = open_store(world)
        self._watch = Watch(world, open_store(world), self._complain)  # with a connection of its own, as it has a thread

    def called(self, take_part: Callable[[bytes], None]) -> bool:
        """Wait for the first process: return True when it calls to train, False when it is done without.

        `take_part` does with it what it asks for meanwhile. Raises FailedElsewhere if it failed.
        """
        self._store.set(f"{_WAITS}-{self.world.rank}", "")
        return self._wait(_CALLED, take_part)

    def wait_done(self) -> None:
        """Wait until the first process has finished its work."""
        self._wait(_DONE)

    def _wait(self, word: str, take_part: Callable[[bytes], None] | None = None) -> bool:
        turn = 0
        while not self._store.check([word]):
            self._check()
            if take_part is not None and self._store.check([f"{_ASKED}-{turn}"]):
                take_part(self._store.get(f"{_ASKED}-{turn}"))
                turn += 1
                continue
            if self._store.check([_DONE]):
                return False
            time.sleep(PAUSE_S)
        return True

    def _check(self) -> None:
        if self._store.check([FAILURE]):
            raise FailedElsewhere(int(self._store.get(FAILURE).decode()))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Tell the others how the block ended; let an error through in one process, FailedElsewhere in all others."""
        try:
            yield
            if self.world.is_first:
                self._store.set(_DONE, "")
        except GroundupError as error:
            if not self._is_first_to_fail(error.exit_code):
                raise FailedElsewhere(error.exit_code) from None
            if not self.world.is_first:
                error.args = (f"process {self.world.rank} of {self.world.size}: {error}",)
            raise
        except SystemExit:
            if not self._is_first_to_fail(Stopped.exit_code):
                raise FailedElsewhere(Stopped.exit_code) from None
            raise
        except RuntimeError as error:
            raise self._explained(error) from error
        finally:
            if self.world.is_first and not is_of_agent():
                self._watch.wait_left(GRACE_S)  # the store ends with this process
            self._watch.close()

    def _explained(self, error: RuntimeError) -> Exception:
        """Return what to raise for an operation that failed: most often another process is gone.

        The launcher then asks this one to stop, too, which it does once it has told why.
        """
        for number in STOPPING if threading.current_thread() is threading.main_thread() else ():
            signal.signal(number, signal.SIG_IGN)
        if not self._has_store():
            return WorkerError(
                "process 0 is gone, and with it the store of the launch; the same command goes on from the last checkpoint"
            )
        if not _is_of_others(error):
            return error if self._is_first_to_fail(1) else FailedElsewhere(1)
        silent = [] if self._store.check([FAILURE]) else self._watch.silent()
        if not self._is_first_to_fail(WorkerError.exit_code):
            return FailedElsewhere(int(self._store.get(FAILURE).decode()))
        if silent:
            told = "; ".join(f"process {rank} is gone or hangs, {self._watch.place(rank)}" for rank in silent)
        else:
            places = "; ".join(f"process {rank}: {self._watch.place(rank)}" for rank in range(self.world.size))
            told = f"process {self.world.rank} waited in vain for the others ({str(error).splitlines()[0][:120]}); {places}"
        return WorkerError(f"{told}; the same command goes on from the last checkpoint")

    def _has_store(self) -> bool:
        """Return whether the store answers."""
        try:
            self._store.check([FAILURE])
        except RuntimeError:
            return False
        return True

    def _is_first_to_fail(self, code: int) -> bool:
        """Note that this process failed; return whether it is the one to tell it."""
        if not self.world.is_first:
            until_s = time.monotonic() + FIRST_S
            while time.monotonic() < until_s and not self._store.check([FAILURE]):
                time.sleep(PAUSE_S)
        return _note(self._store, code)

    def _complain(self, message: str) -> None:
        if _note(open_store(self.world), WorkerError.exit_code):
            complain(f"{message}; the same command goes on from the last checkpoint")


def _note(store: Store, code: int) -> bool:
    """Note a failure if there is none yet; return whether there was none."""
    is_new: bool = store.add(f"{FAILURE}-count", 1) == 1
    if is_new:
        store.set(FAILURE, str(code))
    return is_new


def _is_of_others(error: RuntimeError) -> bool:
    """Return whether an operation of all processes failed."""
    return isinstance(error, dist.DistError) or any(
        word in str(error).lower() for word in ("gloo", "nccl", "connection", "timed out")
    )


def are_waiting(world: World) -> bool:
    """Return whether all others wait for the first process, as soon as they do."""
    try:
        open_store(world).wait([f"{_WAITS}-{rank}" for rank in range(1, world.size)], timedelta(seconds=MEET_S))
    except RuntimeError:
        return False
    return True


def ask(world: World, turn: int, request: str) -> None:
    """Ask the others, which wait, to take part in something; turns are counted from 0."""
    open_store(world).set(f"{_ASKED}-{turn}", request)


def call(world: World) -> None:
    """Call the others, which wait, to train."""
    open_store(world).set(_CALLED, "")
