"""One's own law: what `scaling fit` made of runs."""

from collections.abc import Mapping
from pathlib import Path

from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import Allocation, LineAllocation, ParametricAllocation, Range
from groundup.estimate.budget.parametric import Parametric

_PARAMETRIC = ("E", "A", "B", "alpha", "beta")
_POSITIVE = _PARAMETRIC[1:]
_LINES = ("N_coef", "a", "D_coef", "b")
_ENDS = (1e15, 1e27)
"""FLOPs between which a line is drawn; it goes on straight beyond."""


def fitted_law(path: Path) -> Allocation:
    """Return the law of FIT.json, with its resamples as other laws that the runs allow.

    Raises ArtifactError if the file is none, ConfigError if its law does not say how size and tokens share compute.
    """
    fit = Fit.load(path)
    names = list(fit.params)
    draws = [dict(zip(names, draw, strict=True)) for draw in fit.draws]
    source = f"{path}: {fit.law}, {fit.runs_used} runs, {fit.objective}"
    runs = Range((fit.spans["params"].low, fit.spans["params"].high), (fit.spans["tokens"].low, fit.spans["tokens"].high))
    if set(_PARAMETRIC) <= set(names):
        if not _is_sound(fit.params):
            values = ", ".join(f"{name}={fit.params[name]:g}" for name in _POSITIVE)
            raise ConfigError(f"{path}: {values}: all above 0 make a best run; fit more runs, or another law")
        sound = [_parametric(law) for law in draws if _is_sound(law)]
        return ParametricAllocation(path.name, source, _parametric(fit.params), runs, sound)
    if set(_LINES) <= set(names):
        lines = [LineAllocation(path.name, source, _rows(law)) for law in draws]
        return LineAllocation(path.name, source, _rows(fit.params), runs, lines)
    raise ConfigError(
        f"{path}: a fit of {fit.law} does not say how size and tokens share compute; "
        "fit chinchilla, isoflop, envelope or data-constrained"
    )


def _is_sound(law: Mapping[str, float]) -> bool:
    return all(law[name] > 0 for name in _POSITIVE)


def _parametric(law: Mapping[str, float]) -> Parametric:
    return Parametric(**{name: value for name, value in law.items() if name in (*_PARAMETRIC, "R_D_star", "R_N_star")})


def _rows(law: Mapping[str, float]) -> list[tuple[float, float, float]]:
    return [(law["N_coef"] * flops ** law["a"], flops, law["D_coef"] * flops ** law["b"]) for flops in _ENDS]
