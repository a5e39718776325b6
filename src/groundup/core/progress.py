"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import contextlib
import time
from collections.abc import Iterator

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from groundup.core.log import console, say
from groundup.core.units import format_seconds

_LOG_INTERVAL_S = 30.0


class Bar:
    """What the worker holds: report progress with `advance`; `status` is free text (loss, tokens/s)."""

    def __init__(self, title: str, total: float, progress: Progress, task: TaskID) -> None:
        self._title, self._total, self._progress, self._task = title, total, progress, task
        self._done = 0.0
        self._start_s = self._logged_s = time.monotonic()

    def advance(self, amount: float = 1.0, status: str = "") -> None:
        """Count `amount` more units of work as done."""
        self._done += amount
        self._progress.update(self._task, completed=self._done, status=status)
        now_s = time.monotonic()
        if not console.is_terminal and now_s - self._logged_s >= _LOG_INTERVAL_S:
            self._logged_s = now_s
            left_s = (now_s - self._start_s) * (self._total - self._done) / max(self._done, 1e-9)
            say(f"  {self._title}: {self._done / max(self._total, 1e-9):.0%}, {format_seconds(left_s)} left  {status}")


@contextlib.contextmanager
def progress(title: str, total: float) -> Iterator[Bar]:
    """Show the progress of `total` units of work under `title`."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal or console.quiet) as bars:
        yield Bar(title, total, bars, bars.add_task(title, total=total, status=""))
