"""Carry out what is done about a spike."""

from datetime import UTC, datetime
from typing import Any

from groundup.core.errors import DivergedError
from groundup.core.log import say
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.healing.spikes import Spike
from groundup.train.metrics import MetricsLog
from groundup.train.state import RunState

Event = dict[str, Any]


def heal(
    spike: Spike, run: RunState, batches: BatchReader, checkpoints: CheckpointStore, metrics: MetricsLog, events: list[Any]
) -> list[Any]:
    """Do what the ladder says about a spike in the step that would be the run's next; its batch is passed over.

    Returns what is to be told with the next step that is taken: what happened in steps that are taken back, `events`, and this.
    Raises DivergedError at the end of the ladder, or if there is nothing to go back to.
    """
    step, places = run.step, batches.places(run.step, run.shift)
    rung = run.healing.climb(step, spike)
    event: Event = {
        "event": rung,
        "step": step + 1,
        "why": spike.why,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "places": [places.start, places.stop],
        "windows": batches.windows(places),
    }
    if rung == "stop" or (rung == "rollback" and not _go_back(run, checkpoints)):
        raise DivergedError(_farewell(spike.why, run, checkpoints))
    if rung == "rollback":
        events = [*metrics.go_back(run.step), *events]
        end = places.stop + run.healing.batches_beyond() * len(places)
        places = range(batches.places(run.step, run.shift).start, end)
        event |= {"to_step": run.step, "passed_over": [places.start, places.stop]}
    run.pass_over(places)
    event["rate_factor"] = run.healing.trouble.rate_factor
    say(f"  step {step + 1:,}: {spike.why}; {_TOLD[rung].format(to_step=f'{run.step:,}')}", style="yellow")
    return [*events, event]


_TOLD = {
    "skip": "its batch is passed over",
    "slow": "its batch is passed over, and the learning rate lowered for a while",
    "rollback": "back to step {to_step}, and on with the text behind it",
}


def _go_back(run: RunState, checkpoints: CheckpointStore) -> bool:
    """Go back to a checkpoint from well before the trouble, keeping what is known of the trouble itself."""
    trouble = run.healing.trouble
    lag = min(run.healing.config.calm_steps, checkpoints.keeping.every)
    found = checkpoints.go_back(run, trouble.since - lag)
    run.healing.trouble = trouble
    return found


def _farewell(why: str, run: RunState, checkpoints: CheckpointStore) -> str:
    last = checkpoints.newest()
    tried = run.healing.trouble.rollbacks - 1
    return (
        f"step {run.step + 1:,}: {why}: diverged"
        + (f", after going back {tried} times" if tried > 0 else "")
        + "; lower pretrain.optimizer.learning_rate or raise pretrain.schedule.warmup_fraction, and train anew; "
        + (f"the last good checkpoint is {last}" if last else "no checkpoint was saved before")
    )
