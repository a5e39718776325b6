"""What is done about a spike: rung by rung up a ladder."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from groundup.train.healing.config import HealingConfig
from groundup.train.healing.spikes import Spike, SpikeWindow
from groundup.train.loss_scale import MINIMUM
from groundup.train.step import StepResult

Rung = Literal["skip", "slow", "rollback", "stop"]


@dataclass
class Trouble:
    """What has been done since the first spike that is not over."""

    since: int = 0
    """Steps that were taken when it began."""
    until: int = 0
    """Step after which the trouble is over, if none spikes before."""
    spikes: int = 0
    """Spikes in a row, with no step between them."""
    steps: int = 0
    """Steps since the last spike or rollback."""
    slows: int = 0
    """Times that the learning rate was lowered since the last rollback."""
    rollbacks: int = 0
    rate_factor: float = 1.0
    """What the learning rate is multiplied by."""
    slow_from: int = 0
    """Steps that are taken at the planned rate all the same: an update that went too far says nothing of those before it."""


class Healing:
    """Whether a step is a spike, and the next rung against it: a pure function of the steps that were met before.

    skip: pass over the batch, which never changes the weights. slow: a spike that comes back after steps that were taken lowers the
    learning rate, too, until the trouble is over. rollback: where there are many spikes in a row, or wrong things were learned
    already, the fault lies in the weights or in a long stretch of the data; the run goes back and reads on behind it, the second
    time with a lower learning rate; at once, where an update moved the weights too far. stop: it went back as often as it may.
    """

    def __init__(self, config: HealingConfig) -> None:
        self.config = config
        self.window = SpikeWindow(config)
        self.trouble = Trouble()
        self._planned_changes = 0

    def judge(self, result: StepResult, planned_changes: int) -> Spike | None:
        """Return what is wrong with the step, None if nothing is.

        `planned_changes` says how often the data were changed on purpose, this step included: what was before is no measure of it.
        """
        if planned_changes != self._planned_changes:
            self._planned_changes = planned_changes
            self.window.clear()
        if result.overflow:
            return _exhausted(result)
        return self.window.judge(result)

    def climb(self, step: int, spike: Spike) -> Rung:
        """Return what to do about a spike after `step` steps, and count it as done."""
        config, trouble = self.config, self.trouble
        if not config.enabled or spike.hopeless:
            return "stop"
        if not trouble.until:
            trouble.since = step
        came_back = trouble.steps > 0 and trouble.until > 0
        trouble.until, trouble.steps = max(trouble.until, step + config.calm_steps), 0
        trouble.spikes += 1
        if spike.excess > 1 and trouble.rate_factor == 1.0:
            trouble.slow_from = step - 1
        trouble.rate_factor /= spike.excess
        if came_back and (trouble.rollbacks or not spike.learned):
            trouble.slows += 1
            trouble.rate_factor *= config.slow_factor if spike.excess == 1 else 1.0
            if trouble.slows <= config.slows and not spike.learned:
                return "slow"
        elif trouble.spikes <= config.skips and not spike.learned:
            return "skip"
        trouble.spikes = trouble.slows = 0
        trouble.rollbacks += 1
        return "rollback" if trouble.rollbacks <= config.rollbacks else "stop"

    def take(self, step: int, result: StepResult, moved: float = 0.0) -> None:
        """Count a step that was taken, the run now being `step` steps long; one that overflowed was not learned from.

        `moved`: how far its update moved the weights, over their norm.
        """
        if not result.overflow:
            self.window.accept(result, moved, self.rate_factor(step - 1))
            self.trouble.spikes = 0
            self.trouble.steps += 1
        planned = self.window.excess / self.rate_factor(step - 1)
        if step >= self.trouble.until and planned <= self.config.update_threshold:
            self.trouble = Trouble()

    def rate_factor(self, step: int) -> float:
        """Return what the learning rate is multiplied by in update number `step` (0-based)."""
        return self.trouble.rate_factor if step >= self.trouble.slow_from else 1.0

    def batches_beyond(self) -> int:
        """Return how many batches more than those that were met a rollback passes over: twice as many each time."""
        return ((1 << (self.trouble.rollbacks - 1)) - 1) * max(self.config.skips, 1)

    def facts(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON."""
        return {"window": self.window.facts(), "trouble": asdict(self.trouble), "planned_changes": self._planned_changes}

    def load(self, facts: dict[str, Any]) -> None:
        """Put back what `facts` returned, exactly."""
        self.window.load(facts["window"])
        self.trouble = Trouble(**facts["trouble"])
        self._planned_changes = int(facts["planned_changes"])


def _exhausted(result: StepResult) -> Spike | None:
    """Return what is wrong with a step that overflowed: nothing, as long as the scale of the loss can be lowered."""
    if result.loss_scale is None or result.loss_scale > MINIMUM:
        return None
    why = (
        f"the gradient overflows float16 even with a loss scale of {MINIMUM:g}, the least (pretrain.precision bf16 and fp32 have "
        "room for larger ones)"
    )
    return Spike(why, hopeless=True)
