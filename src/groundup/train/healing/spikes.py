"""What a spike is: a step far from the steps before it."""

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundup.train.healing.config import HealingConfig
from groundup.train.step import StepResult

MAD_TO_STD = 1.4826
"""Standard deviation over the median absolute deviation, of normal numbers (Rousseeuw & Croux 1993)."""
RECENT = 8
"""Steps whose median says where the loss stands now."""


@dataclass(frozen=True)
class Spike:
    """A step that is not to be learned from."""

    why: str
    learned: bool = False
    """Whether the steps before it, which were learned from, are at fault too."""
    hopeless: bool = False
    """Whether no other batch, rate or state would help."""
    excess: float = 1.0
    """How many times too far the last update moved the weights."""


class SpikeWindow:
    """The last steps that were learned from, and what is unusual beside them.

    A loss is held against the median of the last few, on both sides; and the median of the last few may not rise above that of the
    window. What is far is told by how far the losses of the window were from the medians of the few before them: by the median of
    that, which is the trend, and its spread, so that a minority of outliers does not count. Of the gradient norm, whose logarithm
    is taken, only a rise is a spike. An update is judged at the step after it, by how far it moved the weights beside the median of
    those at the planned rate.
    """

    def __init__(self, config: HealingConfig) -> None:
        self._config = config
        self._losses: deque[float] = deque(maxlen=config.window)
        self._log_norms: deque[float] = deque(maxlen=config.window)
        self._moves: deque[float] = deque(maxlen=config.window)
        self.excess = 0.0
        """How many times as far as usual the last update moved the weights; 0 as long as it is not known what is usual."""

    def judge(self, result: StepResult) -> Spike | None:
        """Return what is wrong with the step, None if nothing is."""
        if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
            return Spike(f"loss {result.loss}, gradient norm {result.grad_norm}")
        if not self._config.enabled:
            return None
        if self.excess > self._config.update_threshold:
            why = f"the update before moved the weights {self.excess:.3g} times as far as usual"
            return Spike(why, learned=True, excess=self.excess)
        if len(self._losses) < self._config.window:
            return None
        return self._judge_loss(result.loss, list(self._losses)) or self._judge_norm(result.grad_norm)

    def _judge_loss(self, loss: float, losses: list[float]) -> Spike | None:
        usual, lately, trend = (statistics.median(v) for v in (losses, [*losses[1 - RECENT :], loss], departures(losses)))
        recent = statistics.median(losses[-RECENT:]) + trend
        deviation = max(spread(departures(losses)), self._config.loss_floor * abs(usual))
        far, drift = self._config.loss_threshold * deviation, self._config.drift_threshold * deviation
        if loss > recent + far:
            return Spike(f"loss {loss:.4g} is above {recent:.4g} + {far:.2g}")
        if loss < recent - far:
            return Spike(f"loss {loss:.4g} is below {recent:.4g} - {far:.2g}")
        if loss > recent and lately > usual + drift:
            why = f"loss {loss:.4g}, and {lately:.4g} over the last {RECENT} steps, is above {usual:.4g} + {drift:.2g}"
            return Spike(why, learned=True)
        return None

    def _judge_norm(self, grad_norm: float) -> Spike | None:
        factor = math.exp(self._config.grad_threshold * max(spread(self._log_norms), self._config.grad_floor))
        usual_norm = math.exp(statistics.median(self._log_norms))
        if grad_norm > usual_norm * factor:
            return Spike(f"gradient norm {grad_norm:.3g} is above {usual_norm:.3g} x {factor:.3g}")
        return None

    def accept(self, result: StepResult, moved: float = 0.0, rate_factor: float = 1.0) -> None:
        """Count the step among the usual ones; its update moved the weights by this share of their norm.

        Updates at a lowered rate are no measure of others, but are held against the usual ones too.
        """
        self._losses.append(result.loss)
        self._log_norms.append(math.log(max(result.grad_norm, 1e-30)))
        usual = statistics.median(self._moves) if len(self._moves) == self._moves.maxlen else 0.0
        self.excess = moved / usual if usual > 0 else 0.0
        if rate_factor == 1.0 and self.excess <= self._config.update_threshold:
            self._moves.append(moved)

    def clear(self) -> None:
        """Forget all steps: what comes is not to be compared with what was."""
        self._losses.clear()
        self._log_norms.clear()
        self._moves.clear()
        self.excess = 0.0

    def facts(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON."""
        known = {"losses": self._losses, "log_norms": self._log_norms, "moves": self._moves}
        return {**{name: list(values) for name, values in known.items()}, "excess": self.excess}

    def load(self, facts: dict[str, Any]) -> None:
        """Put back what `facts` returned, exactly."""
        self.clear()
        self._losses.extend(facts["losses"])
        self._log_norms.extend(facts["log_norms"])
        self._moves.extend(facts.get("moves", ()))
        self.excess = float(facts.get("excess", 0.0))


def departures(losses: Sequence[float]) -> list[float]:
    """Return how far each loss is from the median of the few before it."""
    return [losses[i] - statistics.median(losses[i - RECENT : i]) for i in range(RECENT, len(losses))]


def spread(values: Sequence[float] | deque[float]) -> float:
    """Return the standard deviation that normal numbers of this median absolute deviation would have."""
    middle = statistics.median(values)
    return MAD_TO_STD * statistics.median(abs(value - middle) for value in values)
