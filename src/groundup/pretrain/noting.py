"""Keep what a run took beside what was foreseen, for later plans on this machine."""

from datetime import UTC, datetime

from groundup.artifacts.plan import Amounts, Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.core.log import say
from groundup.estimate.calibration.book import note_run
from groundup.estimate.calibration.record import TEXT_LEN, RunKind, RunRecord, this_machine
from groundup.nn.config import ModelConfig

MIN_STEPS = 10
"""The median of fewer steps says little of the speed."""


def note(plan: Plan, shards: TokenShards, measured: Amounts, train_s: float) -> None:
    """Say what was foreseen beside what was measured, and keep it in groundup's home, unless the plan leaves calibration out."""
    forecast, decisions = plan.forecast, plan.decisions
    calibrated = forecast.calibrated
    if calibrated is None or decisions.steps < MIN_STEPS:
        return
    kind = RunKind(
        device=decisions.device,
        shape=ModelConfig.parse(decisions.model, str(plan.path)).shape,
        precision=decisions.precision,
        compiled=decisions.compiled,
        recompute=decisions.recompute,
    )
    beside_s = forecast.train_s - calibrated.whole_steps * forecast.step_s
    run = RunRecord(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(decisions.num_threads),
        kind=kind,
        text=shards.content_hash[:TEXT_LEN],
        params=forecast.params,
        tokens=forecast.tokens,
        steps=decisions.steps,
        plain=calibrated.plain,
        foreseen=Amounts(
            growth_bytes=forecast.growth_bytes, step_s=forecast.step_s, beside_s=max(0.0, beside_s), loss=forecast.loss
        ),
        measured=measured,
        train_s=train_s,
    )
    kept = "; this run is kept for later forecasts" if note_run(run) else ""
    say(f"  {_error('training time', forecast.train_s, calibrated.plain_train_s, train_s)}{kept}")


def _error(what: str, foreseen: float, plain: float, measured: float) -> str:
    """Return how far a forecast was off, and how far it would have been without the runs before."""
    words = f"{what}: the forecast was off by {foreseen / measured - 1:+.1%}"
    return words if plain == foreseen else f"{words}, without earlier runs by {plain / measured - 1:+.1%}"
