"""Scaling laws as functions: fit one to runs, forecast a run by it."""

from collections.abc import Sequence
from pathlib import Path

from groundup.artifacts.scaling_fit import Fit
from groundup.estimate.forecast import Forecast, forecast
from groundup.scaling.config import FitConfig
from groundup.scaling.run import fit_runs


def scaling_fit(
    runs: Path,
    law: str = "chinchilla",
    objective: str = "huber-sum",
    bootstrap: int = 1000,
    fix: Sequence[str] = (),
    counts: str = "",
    seed: int = 0,
    out: Path | None = None,
    force: bool = False,
) -> Fit:
    """Fit a scaling law to a table of runs (CSV), and write it to `out` (FIT.json); `fix` gives constants as "NAME=VALUE"."""
    return fit_runs(runs, FitConfig.of(law, objective, bootstrap, fix, counts, seed), out, force)


def scaling_forecast(
    fit: Fit | Path, params: float, tokens: float, unique_tokens: float | None = None, flops: float | None = None
) -> Forecast:
    """Return the loss, with intervals, that a run of this size and length will have by a fitted law."""
    return forecast(fit if isinstance(fit, Fit) else Fit.load(fit), params, tokens, unique_tokens, flops)
