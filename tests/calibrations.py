"""Runs for tests of calibration."""

from typing import Any

from groundup.artifacts.plan import Amounts
from groundup.estimate.calibration.record import MachineMark, RunKind, RunRecord

MACHINE = MachineMark(processor="Made-up 9000", cores=2, threads=2, torch="2.13.0")
KIND = RunKind(device="cpu", shape="decoder", precision="fp32", compiled=False, recompute="none")
PLAIN = Amounts(growth_bytes=1e8, step_s=0.5, beside_s=2.0, loss=None)


def run_of(plain: Amounts = PLAIN, measured: Amounts = PLAIN, kind: RunKind = KIND, **changes: Any) -> RunRecord:
    fields = {
        "at": "2026-01-02T03:04:05+00:00",
        "machine": MACHINE,
        "text": "ab" * 8,
        "params": 1_000_000,
        "tokens": 100_000,
        "steps": 20,
        "train_s": 12.0,
    }
    return RunRecord(**{**fields, **changes}, kind=kind, plain=plain, foreseen=plain, measured=measured)


def off_by(factor: float, size: float = 1.0, **changes: Any) -> RunRecord:
    """Return a run that took `factor` times what was foreseen of one `size` times as large as PLAIN."""
    plain = Amounts(growth_bytes=1e8 * size, step_s=0.5 * size, beside_s=2.0, loss=4.0)
    measured = Amounts(growth_bytes=1e8 * size * factor, step_s=0.5 * size * factor, beside_s=2.0, loss=4.0 * factor)
    return run_of(plain, measured, **changes)
