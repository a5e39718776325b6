"""One's own law: what `scaling fit` made of runs."""

from pathlib import Path

from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import ParametricAllocation, Range
from groundup.estimate.budget.parametric import Parametric

_NAMES = ("E", "A", "B", "alpha", "beta")


def fitted_law(path: Path) -> ParametricAllocation:
    """Return the law of FIT.json, with its resamples as other laws that the runs allow.

    Raises ArtifactError if the file is none, ConfigError if its law says nothing of size and tokens together, or has no best run.
    """
    fit = Fit.load(path)
    if not set(_NAMES) <= set(fit.params):
        raise ConfigError(f"{path}: the law '{fit.law}' does not say how size and tokens share compute; fit --law chinchilla")
    names = list(fit.params)
    laws = [dict(zip(names, draw, strict=True)) for draw in fit.draws]
    best, *draws = (Parametric(**{name: law[name] for name in _NAMES}) for law in [fit.params, *laws])
    if min(best.A, best.B, best.alpha, best.beta) <= 0:
        raise ConfigError(
            f"{path}: A={best.A:g}, B={best.B:g}, alpha={best.alpha:g}, beta={best.beta:g}: all above 0 make a best run"
        )
    sound = [law for law in draws if min(law.A, law.B, law.alpha, law.beta) > 0]
    spans = fit.spans
    runs = Range((spans["params"].low, spans["params"].high), (spans["tokens"].low, spans["tokens"].high))
    return ParametricAllocation(path.name, f"{path}: {fit.runs_used} runs, {fit.objective}", best, runs, sound)
