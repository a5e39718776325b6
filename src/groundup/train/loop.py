"""The training loop."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from groundup.core.errors import Stopped
from groundup.core.log import say
from groundup.core.progress import progress
from groundup.train.batches import BatchReader, ReadAhead
from groundup.train.checkpoint import CheckpointStore
from groundup.train.deadline import Deadline
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.heal import heal
from groundup.train.healing.ladder import Healing
from groundup.train.hooks.hook import Hook
from groundup.train.metrics import MetricsLog
from groundup.train.state import RunState
from groundup.train.status import status_line
from groundup.train.step import TrainStep
from groundup.train.stop import StopRequest, stop_requests
from groundup.train.update_ratio import UpdateRatio


def train(
    *,
    steps: int,
    train_step: TrainStep,
    batches: BatchReader,
    learning_rate: Callable[[float], float],
    checkpoints: CheckpointStore,
    metrics: MetricsLog,
    healing: HealingConfig,
    hooks: Sequence[Hook] = (),
    deadline: Deadline | None = None,
    stop_request: StopRequest | None = None,
) -> RunState:
    """Train up to `steps` optimizer steps, from the newest checkpoint if there is one; return the run as it ended.

    The learning rate is a function of the place on the planned course, which is the step unless a deadline cuts the run short.

    Many processes, those of `train_step.ranks`, take the same decisions: what depends on a clock, a signal or a hook is agreed.

    An interrupted run that goes on ends in the same weights, bit for bit, as one that was not, also where it healed.
    Raises Stopped after a signal, or where a hook asked for it by `stop_request`, once the step is done and saved; DivergedError if
    a spike could not be healed.
    """
    ranks = train_step.ranks
    run = RunState(train_step.model, train_step.optimizer, Healing(healing), train_step.loss_scale, ranks.place, ranks.apart)
    deadline = deadline or Deadline(steps)
    update_ratio = UpdateRatio(run.model.parameters(), ranks)
    checkpoints.restore(run)
    metrics.begin(run.step)
    if run.step:
        say(f"  going on after step {run.step:,} of {steps:,}")
    events: list[Any] = ["resumed"] if run.step else []

    reading = ReadAhead(batches, steps, checkpoints.patience_s)
    with stop_requests(stop_request) as stop, progress("pretrain", steps) as bar, reading as reader, checkpoints.opened():
        bar.advance(run.step)
        while run.step < deadline.end(run):
            before = run.step
            result = ranks.agreed(train_step.gradient(reader.read(run.step, run.shift)))
            checkpoints.wait_copied()

            spike = run.healing.judge(result, batches.planned_changes(run.step, run.shift))
            if spike:
                train_step.discard()
                events = heal(spike, run, batches, checkpoints, metrics, events)
                bar.advance(run.step - before)
                if ranks.any(bool(stop)):
                    raise Stopped(f"{stop.reason or _ELSEWHERE} amid healing, before step {run.step + 1:,}; {_GOES_ON}")
                continue

            rate = learning_rate(deadline.place(run)) * run.healing.rate_factor(run.step)
            moved = update_ratio.of(partial(train_step.update, rate))
            run.take(result, batches.step_tokens(run.step), moved)

            shortened = deadline.decide(run, ranks.agreed(metrics.elapsed_s)) if deadline.is_set else []
            last = run.step == deadline.end(run)
            ranks.after_update(run.step, last)
            stopping = ranks.any(bool(stop)) and not last  # read once: a signal that comes later waits for the next step
            save = last or stopping or bool(shortened) or ranks.any(checkpoints.due(run.step))
            events = [*events, *shortened, *(["checkpoint"] if save else [])]
            row = metrics.record(run.step, result, rate, moved, events, reader.wait_s())
            events = []
            with metrics.hooks_at_work():
                told = [hook({**row, "last": last}) for hook in hooks]
            if save:
                checkpoints.save(run, before=metrics.sync)
            bar.advance(run.step - before, status_line(row, told))

            if stopping:
                checkpoints.wait()
                raise Stopped(f"{stop.reason or _ELSEWHERE} after step {run.step:,} of {steps:,}, which is saved; {_GOES_ON}")
    return run


_ELSEWHERE = "another process was asked to stop:"
_GOES_ON = "the same command goes on"
