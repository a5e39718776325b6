"""What every engine can do."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Workers:
    """Which engine, with how many processes: never a part of what is made."""

    engine: EngineName = "local"
    number: int | None = None
    """None: one a core that this process may run on."""
    memory_bytes: int = 128 << 20
    """What one process may take for sorting and comparing, about; beyond it, work goes over disk."""

    @property
    def count(self) -> int:
        return self.number or usable_cores()


def usable_cores() -> int:
    """Return the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine(ABC):
    """Carries out tasks that do not depend on each other; use it as a context.

    A task is one argument of a module-level function, and its result one value; both are pickled, so what is large is written to
    files that all workers see. Which worker has which task, and when, is the engine's choice: a function whose results hang on that
    is a bug.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @abstractmethod
    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (position of the task, its result) as they are finished; raise what the function raised first."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go; those still at work are stopped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
