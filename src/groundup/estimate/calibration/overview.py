"""What the file of runs says: how far forecasts were off, by kind of run, before corrections and after."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from groundup.artifacts.plan import Amount, Correction
from groundup.core.config import Config
from groundup.estimate.calibration.book import Book
from groundup.estimate.calibration.corrections import Calibration, sample_of
from groundup.estimate.calibration.record import MachineMark, RunKind, RunRecord

AMOUNTS: dict[Amount, str] = {
    "growth_bytes": "memory beside the process",
    "step_s": "time of a step",
    "beside_s": "time beside the steps",
    "loss": "held-out loss",
}
"""What is corrected, in words."""


class AmountErrors(Config):
    """One amount of runs of one kind."""

    what: Amount
    error: float
    """Mean distance of the forecasts by formulas and probes alone from what was measured, as a share of that."""
    correction: Correction | None
    """What the next run like the last of these would be corrected by."""


class KindErrors(Config):
    """The runs of one kind."""

    kind: RunKind
    runs: int
    amounts: tuple[AmountErrors, ...]


class Overview(Config):
    """The whole file, as far as it concerns this machine."""

    file: Path
    machine: MachineMark
    runs: int
    other_runs: int
    """Of other machines, other numbers of threads, other versions of torch."""
    kinds: tuple[KindErrors, ...]


def overview(machine: MachineMark) -> Overview:
    """Return what the file says to plans on this machine; raise StorageError if it cannot be read."""
    book = Book()
    lines = book.read()
    runs = lines.of(machine)
    kinds = dict.fromkeys(run.kind for run in runs)
    return Overview(
        file=book.path,
        machine=machine,
        runs=len(runs),
        other_runs=len(lines.runs) - len(runs) + len(lines.others),
        kinds=tuple(_errors(kind, [run for run in runs if run.kind == kind], Calibration(runs)) for kind in kinds),
    )


def _errors(kind: RunKind, runs: list[RunRecord], calibration: Calibration) -> KindErrors:
    return KindErrors(kind=kind, runs=len(runs), amounts=tuple(_amounts(kind, runs, calibration)))


def _amounts(kind: RunKind, runs: list[RunRecord], calibration: Calibration) -> Iterator[AmountErrors]:
    for what in AMOUNTS:
        samples = [sample for run in runs if (sample := sample_of(run, what)) is not None]
        if samples:
            error = statistics.fmean(sample.error(sample.foreseen) for sample in samples)
            correction = calibration.correction(what, samples[-1].foreseen, kind, runs[-1].text)
            yield AmountErrors(what=what, error=error, correction=correction)
