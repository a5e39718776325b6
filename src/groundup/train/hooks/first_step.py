"""How long the first step of a compiled run took, compiling included."""

from groundup.core.log import say
from groundup.core.units import format_seconds
from groundup.train.course.course import Course
from groundup.train.hooks.hook import Row


class FirstStep:
    """Says how long the first step of a compiled run took."""

    def __init__(self, course: Course) -> None:
        self._is_steady = len({(phase.windows, phase.seq_len) for phase in course.phases}) == 1
        say("  compiling the step, or reading it from the compiler's cache ...")
        self._said = False

    def __call__(self, row: Row) -> None:
        if not self._said:
            then = (
                "nothing is compiled from here on"
                if self._is_steady
                else "a batch or row of another size is compiled when it comes"
            )
            say(f"  first step after {format_seconds(row['step_s'])}; {then}")
        self._said = True
