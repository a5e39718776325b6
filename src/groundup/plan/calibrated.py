"""A plan's forecasts beside what earlier runs of this machine took."""

from collections.abc import Callable
from dataclasses import dataclass, field

from groundup.artifacts.plan import Amount, Amounts, Calibrated, Correction
from groundup.core.units import format_bytes, format_seconds
from groundup.estimate.calibration.corrections import MIN_RUNS, Calibration
from groundup.estimate.calibration.record import RunKind
from groundup.estimate.workload import Workload
from groundup.plan.calibration_text import how

CALIBRATION_PART = "calibration"
"""Of the peak memory, what runs of this kind took beyond what the plan counted."""
_NAMES: dict[Amount, tuple[str, Callable[[float], str]]] = {
    "growth_bytes": ("memory beside the process", format_bytes),
    "step_s": ("step time", format_seconds),
    "beside_s": ("time beside the steps", format_seconds),
    "loss": ("loss", lambda amount: f"{amount:.2f} nats"),
}


@dataclass
class Calibrator:
    """Corrects forecasts one by one, and remembers what it did; without a calibration it leaves them as they are."""

    calibration: Calibration | None
    kind: RunKind
    text: str = ""
    """The token shards' content hash, as records have it."""
    processes: int = 1
    """That train together; runs of many are not kept."""
    _plain: dict[Amount, float] = field(default_factory=dict)
    _corrections: list[Correction] = field(default_factory=list)

    def correct(self, what: Amount, foreseen: float, why: list[str]) -> float:
        """Return the forecast as earlier runs correct it."""
        self._plain[what] = foreseen
        found = self.calibration.correction(what, foreseen, self.kind, self.text) if self.calibration is not None else None
        if found is None:
            return foreseen
        self._corrections.append(found)
        why.append(explain(found, foreseen))
        return found.applied(foreseen)

    def summary(
        self, *, step_s: float, beside_s: float, loss: float | None, train_s: float, whole_steps: float
    ) -> Calibrated | None:
        """Return what was done to the forecasts, which are given as they were without; None without a calibration."""
        if self.calibration is None:
            return None
        return Calibrated(
            runs=len(self.calibration.runs),
            plain=Amounts(growth_bytes=self._plain["growth_bytes"], step_s=step_s, beside_s=beside_s, loss=loss),
            plain_train_s=train_s,
            whole_steps=whole_steps,
            corrections=tuple(self._corrections),
        )

    def explain_rest(self, why: list[str]) -> None:
        """Say what is not corrected, and how many runs are known."""
        if self.calibration is None:
            reason = (
                "as the recipe says" if self.processes == 1 else f"as no earlier runs of {self.processes:,} processes are known"
            )
            why.append(f"calibration: left out, {reason}.")
            return
        corrected = {each.what for each in self._corrections}
        left = [_NAMES[what][0] for what in self._plain if what not in corrected]
        if left:
            known = len(self.calibration.runs)
            why.append(
                f"calibration: {', '.join(left)} as foreseen; of {known} known runs of this machine fewer than {MIN_RUNS} are like "
                "this one, or their forecasts are not bettered by a correction."
            )


def kind_of(workload: Workload, device: str) -> RunKind:
    """Return what forecasts of the workload err alike by."""
    return RunKind(
        device=device,
        shape=workload.model.shape,
        precision=workload.precision,
        compiled=workload.compiled,
        recompute=workload.recompute,
    )


def explain(correction: Correction, foreseen: float) -> str:
    """Return what a correction does, and what it rests on."""
    name, shown = _NAMES[correction.what]
    return (
        f"calibration: {name} {shown(correction.applied(foreseen))}, foreseen {shown(foreseen)}, "
        f"{how(correction)}: {correction.runs} runs "
        f"like this one here ({correction.alike}) were off by {correction.error_before:.1%} of what was measured, "
        f"{correction.error_after:.1%} when each is corrected by the others."
    )


def with_growth(memory: dict[str, int], growth_bytes: float) -> dict[str, int]:
    """Return the parts of the peak memory so that they grow by so much over the process.

    More is a part of its own; less is taken off what the allocator's gaps were expected to take, and no further.
    """
    more = round(growth_bytes) - (memory["total"] - memory["process"])
    parts = {name: size for name, size in memory.items() if name != "total"}
    if more > 0:
        parts[CALIBRATION_PART] = more
    else:
        parts["allocator"] = max(0, parts["allocator"] + more)
    return {**parts, "total": sum(parts.values())}
