"""Which checkpoints a run saves, and which of them stay."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

_KEEP_WHILE_RUNNING = 2
"""Regular checkpoints that a run needs to go back, whatever it keeps in the end: the newest may have been saved too late."""


@dataclass(frozen=True)
class Keeping:
    """The rules: functions of steps and of held-out losses, so that what stays in the end does not depend on interruptions.

    Regular checkpoints, which a run may go back to, come every so many steps; the newest few of them stay. Others are saved beside
    them: for good, because held-out text was scored there and they may be the best, or because time has passed.
    """

    every: int
    """Steps between regular checkpoints."""
    keep: int
    """Checkpoints kept in the end, the last one and regular ones before it."""
    milestones: frozenset[int] = frozenset()
    """Steps whose checkpoints are regular too, and kept for good."""
    keep_every: int | None = None
    """Steps between checkpoints that are kept for good."""
    every_s: float | None = None
    """Time after which a checkpoint is due, whatever the step; it stays until the next one."""
    is_scored: Callable[[int], bool] = lambda _: False
    """Whether held-out text is scored after so many steps."""
    losses: Callable[[], Mapping[int, float]] = dict
    """Step -> held-out loss, of the steps so far."""

    def is_regular(self, step: int) -> bool:
        return step % self.every == 0 or step in self.milestones

    def is_due(self, step: int, since_s: float) -> bool:
        """Return whether a checkpoint is saved after `step` steps, `since_s` after the one before."""
        late = self.every_s is not None and since_s >= self.every_s
        return self.is_regular(step) or self._is_for_good(step) or self.is_scored(step) or late

    def _is_for_good(self, step: int) -> bool:
        return step in self.milestones or (self.keep_every is not None and step % self.keep_every == 0)

    def best(self, steps: Collection[int]) -> int | None:
        """Return which of these steps has the lowest held-out loss, the first of equals; None if none was scored."""
        losses = self.losses()
        return min((step for step in sorted(steps) if step in losses), key=losses.__getitem__, default=None)

    def while_running(self, steps: Sequence[int]) -> set[int]:
        """Return which checkpoints stay for now, given the steps of all: the newest, the best, regular ones to go back to."""
        return self._kept(steps, sorted(filter(self.is_regular, steps))[-max(self.keep, _KEEP_WHILE_RUNNING) :])

    def at_the_end(self, steps: Sequence[int]) -> set[int]:
        """Return which checkpoints stay: the last one, with it the newest regular ones, what is kept for good, the best."""
        last = max(steps, default=0)
        return self._kept(steps, sorted(step for step in steps if self.is_regular(step) or step == last)[-self.keep :])

    def _kept(self, steps: Sequence[int], regular: Sequence[int]) -> set[int]:
        named = {max(steps, default=None), self.best(steps), *regular, *filter(self._is_for_good, steps)}
        return {step for step in named if step is not None}
