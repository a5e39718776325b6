"""The time of a step whose communication was counted, beside what the formulas say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from groundup.estimate.layout.engine.sent import engine_sent
from groundup.estimate.layout.engine.stages import EngineStages
from groundup.estimate.layout.grid import Grid
from groundup.estimate.layout.priors import Priors, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.step import StepTimes, passes_of, step_times
from groundup.estimate.layout.traffic import Purpose, Traffic
from groundup.train.parallel.config import Layout


@dataclass(frozen=True)
class CountedStep:
    """A step of one layout on named hardware; both have the same computing, bubble and update."""

    hardware: str
    formulas: StepTimes
    counted: StepTimes
    """With communication as the rank that was looked at sent it."""

    def as_json(self) -> dict[str, Any]:
        """Return the seconds of both, in all and part by part."""
        both = {"formulas": self.formulas, "counted": self.counted}
        return {"hardware": self.hardware} | {name: {"step_s": _total(each), **each.parts(0)} for name, each in both.items()}

    def __str__(self) -> str:
        """Return it in words."""
        parts = ", ".join(f"{name.removesuffix('_s')} {value:.3g}" for name, value in self.counted.parts(0).items() if value)
        return (
            f"a step on {self.hardware}: {_total(self.counted):.3g} s with what was counted ({parts}), "
            f"{_total(self.formulas):.3g} s by the formulas"
        )


def counted_step(
    problem: Problem, layout: Layout, traffic: Sequence[Traffic], stage: EngineStages, priors: Priors | None = None
) -> CountedStep:
    """Return the time of a step of the layout; `traffic`: all that a rank of that stage sends in it.

    What tensor-, context- and pipeline-parallel ranks wait for is added up. Of the rest as large a share stays as of what the
    formulas count.
    """
    priors = priors or shipped_priors()
    formulas = step_times(problem, [layout], priors, stage)
    sent: dict[Purpose, float] = dict.fromkeys(("tp", "cp", "pp", "dp"), 0.0)
    for each in traffic:
        sent[each.purpose] += each.seconds(problem.hardware)
    waited = replace(formulas, **{f"{purpose}_s": np.array([sent[purpose]]) for purpose in ("tp", "cp", "pp")})
    grid = Grid.of([layout])
    in_all = float(engine_sent(problem, grid, stage).dp.total_s(passes_of(problem, grid))[0])
    stays = float(formulas.dp_s[0]) / in_all if in_all else 1.0
    return CountedStep(problem.hardware.name, formulas, replace(waited, dp_s=np.array([stays * sent["dp"]])))


def _total(times: StepTimes) -> float:
    return float(times.total_s[0])
