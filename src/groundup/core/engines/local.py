"""Processes of this machine."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from groundup.core.engines.base import Engine, Result, Task
from groundup.core.errors import WorkerError


class LocalEngine(Engine):
    """A pool of processes, started when there is more than one task for more than one worker; else this process does the work."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        if self.workers == 1 or len(tasks) <= 1:
            for position, task in enumerate(tasks):
                yield position, function(task)
            return
        yield from self._run_in_pool(function, tasks)

    def _run_in_pool(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        pool = self._started()
        with _main_hidden(unless=function.__module__ == "__main__"):
            positions: dict[Future[Result], int] = {pool.submit(function, task): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(positions):
                yield positions.pop(future), future.result()
        except BrokenProcessPool:
            self.close()
            raise WorkerError(
                f"a worker process died (killed, or out of memory) with {len(positions):,} of {len(tasks):,} tasks unfinished; run "
                f"the same command again, with fewer --workers than {self.workers} if memory was short: what was finished is kept"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        """Return the pool; its processes start afresh, as a fork would take over the locks of this one's threads."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin_work)
        return self._pool

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextlib.contextmanager
def _main_hidden(unless: bool) -> Iterator[None]:
    """Let processes that are started meanwhile not import the program's main file, as they would, unless their work is there.

    A script that does not guard itself by `if __name__ == "__main__"` would run again in each of them.
    """
    if unless:
        yield
        return
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin_work() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker without a parent"
    threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)
