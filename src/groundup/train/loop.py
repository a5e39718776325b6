"""The training loop."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from groundup.core.errors import DivergedError, Stopped
from groundup.core.log import say
from groundup.core.progress import progress
from groundup.core.units import format_count
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.metrics import MetricsLog
from groundup.train.step import StepResult, TrainStep
from groundup.train.stop import stop_requests

Hook = Callable[[dict[str, Any]], None]
"""Called with the metrics of each step that ended."""


def train(
    *,
    steps: int,
    train_step: TrainStep,
    batches: BatchReader,
    learning_rate: Callable[[int], float],
    checkpoints: CheckpointStore,
    metrics: MetricsLog,
    hooks: Sequence[Hook] = (),
) -> None:
    """Train up to `steps` optimizer steps, from the newest checkpoint if there is one.

    An interrupted run that goes on ends in the same weights, bit for bit, as one that was not.
    Raises Stopped after a signal, once the step is done and saved; DivergedError if the loss is no longer a number.
    """
    model, optimizer = train_step.model, train_step.optimizer
    done = checkpoints.restore(model, optimizer)
    metrics.begin(done)
    if done:
        say(f"  going on after step {done:,} of {steps:,}")
    events = ["resumed"] if done else []

    with stop_requests() as stop, progress("pretrain", steps) as bar:
        bar.advance(done)
        for step, micro_batches in enumerate(batches.read_ahead(done, steps), start=done + 1):
            rate = learning_rate(step - 1)
            result = train_step(micro_batches, rate)
            _check_finite(step, result, rate, checkpoints)

            last = step == steps
            stopping = bool(stop) and not last  # read once: a signal that comes later waits for the next step
            save = last or stopping or checkpoints.due(step)
            row = metrics.record(step, result, rate, [*events, "checkpoint"] if save else events)
            events = []
            for hook in hooks:
                hook(row)
            if save:
                metrics.sync()
                checkpoints.save(step, row["tokens"], model, optimizer)
            bar.advance(1, _status(row))

            if stopping:
                raise Stopped(f"{stop.signal_name} after step {step:,} of {steps:,}, which is saved; the same command goes on")


def _check_finite(step: int, result: StepResult, rate: float, checkpoints: CheckpointStore) -> None:
    if math.isfinite(result.loss) and math.isfinite(result.grad_norm):
        return
    last = checkpoints.newest()
    raise DivergedError(
        f"step {step:,}: loss {result.loss}, gradient norm {result.grad_norm}: diverged at learning rate {rate:.3g}; "
        "lower pretrain.optimizer.learning_rate or raise pretrain.schedule.warmup_fraction, and train anew; "
        + (f"the last good checkpoint is {last}" if last else "no checkpoint was saved before")
    )


def _status(row: dict[str, Any]) -> str:
    return f"loss {row['loss']:.3f}  {format_count(float(row['tokens_per_s']), ' tok/s')}  MFU {row['mfu']:.0%}"
