"""The seconds that ranks spend on sending, as every way of counting them gives them."""

from dataclasses import dataclass

from groundup.estimate.layout.grid import Floats


@dataclass(frozen=True)
class DataParallel:
    """What data-parallel ranks exchange in a step."""

    every_pass_s: Floats
    """In every micro-batch: weights gathered, gradients scattered; computing of all micro-batches can hide it."""
    once_s: Floats
    """Once: what only the passes beside it can hide."""
    waited_s: Floats
    """Once, before the first pass or after the last: nothing hides it."""

    def total_s(self, passes: Floats) -> Floats:
        """Return all of a step of so many micro-batches."""
        return passes * self.every_pass_s + self.once_s + self.waited_s


@dataclass(frozen=True)
class Sent:
    """What one stage of each layout sends, and what it holds."""

    held: Floats
    """Parameters on one of its tensor-parallel ranks."""
    tp_s: Floats
    """For one micro-batch, as cp and pp."""
    cp_s: Floats
    pp_s: Floats
    dp: DataParallel
