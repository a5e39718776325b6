"""Corrections of a forecast by what earlier runs of the same kind on the same machine took."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from groundup.artifacts.plan import Amount, Correction
from groundup.estimate.calibration.record import RunKind, RunRecord

MIN_RUNS = 3
"""Alike runs that a correction rests on at least."""
NEAREST = 15
"""Of more alike runs, those nearest in size are asked."""
SIZE_RANGE = 8.0
"""A run whose forecast is more than so many times as much, or as little, says nothing."""
LEVELS: tuple[tuple[str, ...], ...] = (
    ("shape", "precision", "compiled", "recompute"),
    ("precision", "compiled", "recompute"),
    ("precision", "compiled"),
    ("compiled",),
)
"""What runs have in common, the most first: the first that MIN_RUNS share is taken."""
Way = Literal["factor", "offset"]


@dataclass(frozen=True)
class Sample:
    """A forecast beside what was measured."""

    foreseen: float
    measured: float
    scale: float
    """What an error is a share of."""

    def error(self, foreseen: float) -> float:
        return abs(foreseen - self.measured) / self.scale


@dataclass(frozen=True)
class Calibration:
    """The runs of this machine."""

    runs: tuple[RunRecord, ...] = ()

    def correction(self, what: Amount, foreseen: float | None, kind: RunKind, text: str = "") -> Correction | None:
        """Return what to do to a forecast of `what`, or None where too few runs are alike or correcting them would not help."""
        if foreseen is None:
            return None
        for level in LEVELS:
            alike = [run for run in self.runs if _is_alike(run, kind, level) and (what != "loss" or run.text == text)]
            samples = _near([sample for run in alike if (sample := sample_of(run, what)) is not None], foreseen)
            if len(samples) >= MIN_RUNS:
                words = kind.words(level) + (", this text" if what == "loss" else "")
                return fit(what, samples, words)
        return None


def _is_alike(run: RunRecord, kind: RunKind, level: tuple[str, ...]) -> bool:
    return all(getattr(run.kind, field) == getattr(kind, field) for field in ("device", *level))


def _near(samples: list[Sample], foreseen: float) -> list[Sample]:
    """Return the samples of a like size, the nearest first; all where nothing was foreseen."""
    if foreseen <= 0:
        return samples[-NEAREST:]
    near = [sample for sample in samples if sample.foreseen > 0 and _apart(sample.foreseen, foreseen) <= SIZE_RANGE]
    return sorted(near, key=lambda sample: _apart(sample.foreseen, foreseen))[:NEAREST]


def _apart(one: float, other: float) -> float:
    return max(one / other, other / one)


def sample_of(run: RunRecord, what: Amount) -> Sample | None:
    """Return what the run says of an amount, None if nothing."""
    foreseen, measured = getattr(run.plain, what), getattr(run.measured, what)
    if foreseen is None or measured is None:
        return None
    return Sample(foreseen, measured, run.train_s if what == "beside_s" else measured)


def fit(what: Amount, samples: Sequence[Sample], alike: str) -> Correction | None:
    """Return the way that errs least on samples left out in turn; None if none is better than the plain forecast."""
    before = statistics.fmean(sample.error(sample.foreseen) for sample in samples)
    ways: tuple[Way, ...] = ("offset",) if what == "beside_s" else ("factor", "offset")
    after = {way: left_out_error(way, samples) for way in ways if _fits(way, samples)}
    way = min(after, key=lambda way: after[way])
    if not after[way] < before:
        return None
    return Correction(
        what=what,
        way=way,
        value=_value(way, samples),
        runs=len(samples),
        alike=alike,
        error_before=before,
        error_after=after[way],
    )


def left_out_error(way: Way, samples: Sequence[Sample]) -> float:
    """Return the mean error of each sample, corrected by what the others say (leave-one-out cross-validation)."""
    errors = []
    for number, sample in enumerate(samples):
        value = _value(way, [*samples[:number], *samples[number + 1 :]])
        errors.append(sample.error(_applied(way, value, sample.foreseen)))
    return statistics.fmean(errors)


def _fits(way: Way, samples: Sequence[Sample]) -> bool:
    return way == "offset" or all(sample.foreseen > 0 for sample in samples)


def _value(way: Way, samples: Sequence[Sample]) -> float:
    """Return the median of what would have made each forecast right: a run beside a busy neighbour does not move it."""
    if way == "factor":
        return statistics.median(sample.measured / sample.foreseen for sample in samples)
    return statistics.median(sample.measured - sample.foreseen for sample in samples)


def _applied(way: Way, value: float, foreseen: float) -> float:
    return foreseen * value if way == "factor" else max(0.0, foreseen + value)
