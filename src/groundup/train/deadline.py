"""A run that must end in time, with its decay finished."""

import math
from collections import deque
from datetime import UTC, datetime
from typing import Any

from groundup.core.log import say
from groundup.core.units import format_seconds
from groundup.train.course.config import FLOORED, ScheduleConfig
from groundup.train.state import Ending, RunState

SPARE = 0.03
"""Of the time left, what a shortened run is not planned to use: steps are never alike."""
MIN_PACE_STEPS = 4
"""Fewer steps say nothing about how long the rest takes."""
MOST_WAIT_STEPS = 32
"""That a decision is waited for."""
_ANY = ScheduleConfig()


class Deadline:
    """Decides, when the rest of a run no longer fits into its time, on fewer steps.

    The decision is part of the run's state, so that it holds after an interruption too. From there on the learning rate goes on
    along its course without a jump, and comes to its end at the new last step.
    """

    def __init__(self, steps: int, schedule: ScheduleConfig = _ANY, seconds: float = math.inf) -> None:
        """Watch a run of `steps`; `seconds`: what its loop may take, summed over resumes."""
        self._steps = steps
        self._schedule = schedule
        self._seconds = seconds
        self._ends_s: deque[tuple[int, float]] = deque(maxlen=max(steps // 10, MOST_WAIT_STEPS))
        """When the last steps ended."""
        self._late_since: tuple[int, float] | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a time to end in."""
        return math.isfinite(self._seconds)

    def end(self, run: RunState) -> int:
        """Return the steps that the run has in all, as far as is decided."""
        return run.ending.steps if run.ending else self._steps

    def place(self, run: RunState, step: int | None = None) -> float:
        """Return where on the planned course the run's next update (0-based), or update number `step`, stands."""
        return place(run.step if step is None else step, run.ending, self._steps, self._schedule)

    def decide(self, run: RunState, elapsed_s: float) -> list[dict[str, Any]]:
        """Shorten the run if the rest takes longer than is left; return the event, if there is one.

        When the rest seems too long, some steps are waited for, and the pace of these decides: that of before is over.
        """
        now = (run.step, elapsed_s)
        if self._ends_s and self._ends_s[-1][0] >= run.step:
            self._forget()  # the run went back
        self._ends_s.append(now)
        left, left_s = self.end(run) - run.step, self._seconds - elapsed_s
        if left < 1 or len(self._ends_s) <= MIN_PACE_STEPS:
            return []
        if self._late_since is None:
            known = list(self._ends_s)[-max(left, MIN_PACE_STEPS + 1) :]
            if left * _pace_s(known[0], now) <= left_s:
                return []
            self._late_since = known[0] if left <= MIN_PACE_STEPS else now
        waited, wait = run.step - self._late_since[0], min(max(left // 8, MIN_PACE_STEPS), MOST_WAIT_STEPS)
        pace_s = _pace_s(self._late_since if waited else self._ends_s[0], now)
        if waited < wait < left and wait * pace_s <= left_s:
            return []
        self._forget()
        if left * pace_s <= left_s:
            return []
        return self._shorten(run, run.step + max(min(int(left_s * (1 - SPARE) / pace_s), left - 1), 1), pace_s, left_s)

    def _shorten(self, run: RunState, steps: int, pace_s: float, left_s: float) -> list[dict[str, Any]]:
        left = self.end(run) - run.step
        if steps >= self.end(run):
            return []
        why = f"{left:,} steps at {format_seconds(pace_s)} do not fit into {format_seconds(max(left_s, 0.0))}"
        say(f"  step {run.step:,}: {why}; the run ends after {steps:,} steps, and its rate comes down until then", style="yellow")
        run.ending = Ending(run.step, self.place(run, run.step - 1), steps)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return [{"event": "shortened", "step": run.step, "why": why, "at": at, "to_steps": steps}]

    def _forget(self) -> None:
        self._ends_s.clear()
        self._late_since = None


def _pace_s(first: tuple[int, float], last: tuple[int, float]) -> float:
    """Return the time of a step between two moments."""
    return (last[1] - first[1]) / max(last[0] - first[0], 1)


def place(step: int, ending: Ending | None, planned: int, schedule: ScheduleConfig) -> float:
    """Return where update number `step` (0-based) of a run that ends early stands in one of `planned` steps under the schedule.

    Schedules without an end go on as they were. Under wsd the stable phase is cut, or what is left of the decay passed through
    faster; cosine and linear are passed through faster from the decision on. The last update stands at the last place.
    """
    if ending is None or step < ending.decided:
        return step
    since, left = step - ending.decided + 1, ending.steps - ending.decided
    if schedule.name not in FLOORED:
        return ending.place + since
    if since >= left:
        return planned - 1
    start = ending.place
    if schedule.name == "wsd" and start >= schedule.warmup(planned):
        decay = schedule.decay(planned)
        peak_end = planned - 1 - decay  # the last update at the peak
        if start < peak_end and left - since < decay <= left:
            return planned - 1 - (left - since)
        if start < peak_end and left >= decay:
            return min(start + since, peak_end)
        start = max(start, peak_end)
    return start + since * (planned - 1 - start) / left
