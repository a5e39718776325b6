"""Workers of a Ray cluster: the one that RAY_ADDRESS names, or one that is started on this machine."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from groundup.core.engines.base import Engine, Result, Task
from groundup.core.errors import GroundupError, MissingExtraError, WorkerError

_IN_FLIGHT_PER_WORKER = 2
"""Tasks handed to the cluster ahead of time: enough to keep it busy, few enough to be forgotten quickly."""


class RayEngine(Engine):
    """Plain Ray tasks of one core each. All nodes must see the folders of the work, and run the same version of groundup."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._ray = _import_ray()
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            address = os.environ.get("RAY_ADDRESS")
            size = {} if address else {"num_cpus": workers, "include_dashboard": False}
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR", **size)

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        remote = self._ray.remote(num_cpus=1, max_retries=0)(function)
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < _IN_FLIGHT_PER_WORKER * self.workers:
                position, task = waiting.pop()
                running[remote.remote(task)] = position
            finished, _ = self._ray.wait(list(running), num_returns=1)
            for reference in finished:
                position = running.pop(reference)
                yield position, self._result(reference, len(running) + len(waiting) + 1, len(tasks))

    def _result(self, reference: Any, unfinished: int, total: int) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, GroundupError) else error) from None
        except self._ray.exceptions.RayError as error:
            raise WorkerError(
                f"a worker of the Ray cluster died ({type(error).__name__}) with {unfinished:,} of {total:,} tasks unfinished; "
                "run the same command again: what was finished is kept"
            ) from None

    def close(self) -> None:
        if self._is_own:
            self._ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError(
            "engine=ray needs the library 'ray', which is not installed: pip install 'groundup[ray]', or leave the engine 'local'"
        ) from None
    return ray
