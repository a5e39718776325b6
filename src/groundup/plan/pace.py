"""How long the steps of a run take and what is beside them, and how many of them a budget pays for."""

import math
from dataclasses import dataclass, replace

from groundup.core.errors import BudgetError
from groundup.core.units import format_seconds
from groundup.estimate.memory import checkpoint_bytes
from groundup.estimate.workload import Workload
from groundup.plan.calibrated import Calibrator
from groundup.plan.config import PlanConfig
from groundup.plan.extent import Extent, extent_of, most_steps
from groundup.plan.shapes import describe
from groundup.train.hooks.config import SCORE_COST

MIN_STEPS = 10
"""Fewer optimizer steps than this train nothing."""
CHECKPOINT_INTERVAL_S = 30.0
CHECKPOINT_BYTES_PER_S = 3e8
"""Writing, hashing and syncing a checkpoint on an ordinary disk."""
CHECKPOINT_FIXED_S = 0.1
COMPILED_START_S = 8.0
"""Reading what the plan compiled, or compiling the rest, before the first step."""


@dataclass(frozen=True)
class Pace:
    """How long steps take, and what is beside them, as foreseen and as corrected."""

    config: PlanConfig
    workload: Workload
    plain_step_s: float
    step_s: float
    checkpoint_s: float
    interval: int
    """Steps between checkpoints."""
    more_s: float = 0.0
    """What runs of this kind took beside their steps more than was foreseen."""

    def of(self, steps: int) -> Extent:
        """Return the extent of a run of `steps`."""
        return extent_of(self.config.pretrain, steps, self.workload)

    def beside_s(self, extent: Extent) -> float:
        """Return what comes on top of the steps, by formula: the start, checkpoints, evaluations on the way."""
        start_s = COMPILED_START_S if self.workload.compiled else 0.0
        saved = math.ceil(extent.steps / self.interval)  # the last step is saved as well
        return start_s + saved * self.checkpoint_s + self._evaluations(extent) * self.plain_step_s

    def train_s(self, extent: Extent) -> float:
        """Return the time of the run, as corrected."""
        return extent.whole_steps * self.step_s + max(0.0, self.beside_s(extent) + self.more_s)

    def plain_train_s(self, extent: Extent) -> float:
        """Return the time of the run as foreseen, without corrections."""
        return extent.whole_steps * self.plain_step_s + self.beside_s(extent)

    def _evaluations(self, extent: Extent) -> float:
        """Return the steps that scoring held-out text on the way takes as long as."""
        evaluate, batch_tokens = self.config.pretrain.evaluate, self.config.pretrain.batch_tokens
        if not evaluate.enabled:
            return 0.0
        times = math.ceil(extent.steps / evaluate.interval(extent.steps))
        return times * evaluate.tokens(extent.steps, batch_tokens) / batch_tokens * SCORE_COST


def pace_of(config: PlanConfig, workload: Workload, step_s: float, calibrator: Calibrator, why: list[str]) -> Pace:
    """Return the pace of the run, corrected; checkpoints are as far apart as they would be without that."""
    checkpoint_s = CHECKPOINT_FIXED_S + checkpoint_bytes(workload) / CHECKPOINT_BYTES_PER_S
    interval = config.pretrain.checkpoint_steps or _round_steps(CHECKPOINT_INTERVAL_S / step_s)
    pace = Pace(config, workload, step_s, calibrator.correct("step_s", step_s, why), checkpoint_s, interval)
    beside_s = pace.beside_s(longest(config, pace, []))
    return replace(pace, more_s=calibrator.correct("beside_s", beside_s, why) - beside_s)


def longest(config: PlanConfig, pace: Pace, why: list[str]) -> Extent:
    """Return the longest run that the budget pays for."""
    workload, of = pace.workload, pace.of
    if config.budget is None:
        assert config.pretrain.steps is not None, "PlanConfig asks for one of the two"
        why.append(f"steps {config.pretrain.steps:,}: as the recipe says.")
        return of(config.pretrain.steps)
    minutes, tokens, found = config.budget.minutes, config.budget.tokens, []
    if minutes is not None:
        steps = most_steps(lambda steps: pace.train_s(of(steps)) <= minutes * 60)
        if steps < MIN_STEPS:
            raise BudgetError(_too_short(minutes, workload, steps, pace.train_s(of(MIN_STEPS))))
        reason = (
            f"{format_seconds(minutes * 60)} at {format_seconds(pace.step_s)} a step and {format_seconds(pace.checkpoint_s)} for a "
            "checkpoint"
        )
        found.append((steps, f"{reason} every {pace.interval:,} steps"))
    if tokens is not None:
        steps = most_steps(lambda steps: of(steps).tokens <= tokens)
        if steps < MIN_STEPS:
            raise BudgetError(_too_few(tokens, steps, of(MIN_STEPS).tokens))
        found.append((steps, f"budget.tokens={tokens:,}, of which whole steps take {of(steps).tokens:,}"))
    steps, reason = min(found)
    why.append(f"steps {steps:,}: {reason}.")
    return of(steps)


def _round_steps(steps: float) -> int:
    """Return the power of two near `steps`, so that small differences in speed give the same plan."""
    return int(2 ** max(0, round(math.log2(max(steps, 1)))))


def _too_short(minutes: float, workload: Workload, steps: int, needed_s: float) -> str:
    needed = math.ceil(needed_s / 60 * 1000 + 1) / 1000
    return (
        f"budget.minutes={minutes:g} buys {steps} optimizer steps of {describe(workload.model)}; {MIN_STEPS} are the least "
        f"that train anything and take {format_seconds(needed_s)}: set budget.minutes to {needed:g} or more, "
        f"or lower pretrain.batch_tokens ({workload.batch_sequences * workload.rows.read_len:,})"
    )


def _too_few(tokens: int, steps: int, needed: int) -> str:
    return (
        f"budget.tokens={tokens:,} are {steps} optimizer steps; {MIN_STEPS} are the least that train anything: set "
        f"budget.tokens to {needed:,} or more, or lower pretrain.batch_tokens"
    )
