"""A word about a run that takes longer than was planned."""

from groundup.core.log import say
from groundup.core.units import format_seconds
from groundup.train.hooks.hook import Row

TOLERANCE = 0.25
"""What the plan promises of its forecast."""
SEEN = 0.1
"""Share of the steps after which the rest is foreseen."""


class Lateness:
    """A hook that says, once, how long the run will take if that is much more than planned."""

    def __init__(self, steps: int, planned_s: float) -> None:
        self._steps = steps
        self._planned_s = planned_s
        self._said = False

    def __call__(self, row: Row) -> str | None:
        """Foresee the end from the steps so far."""
        expected_s = row["elapsed_s"] / row["step"] * self._steps
        if not self._said and row["step"] >= SEEN * self._steps and expected_s > (1 + TOLERANCE) * self._planned_s:
            self._said = True
            say(
                f"  step {row['step']:,}: the run takes about {format_seconds(expected_s)} at this speed, "
                f"{format_seconds(self._planned_s)} were planned; budget.enforce=true would end it in time",
                style="yellow",
            )
        return None
