"""Scaling laws as functions: fit one to runs, forecast a run by it."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.artifacts.scaling_fit import Fit
from groundup.core.lazy import lazy
from groundup.estimate.forecast import Forecast, forecast
from groundup.scaling.config import FitConfig
from groundup.scaling.points import read_points

if TYPE_CHECKING:
    from groundup.scaling import run as fits
else:
    fits = lazy("groundup.scaling.run")


def scaling_fit(
    runs: Path,
    law: str = "chinchilla",
    objective: str | None = None,
    bootstrap: int = 1000,
    fix: Sequence[str] = (),
    counts: str = "",
    seed: int = 0,
    out: Path | None = None,
    force: bool = False,
    valley: str | None = None,
) -> Fit:
    """Fit a scaling law to a table of runs (CSV), and write it to `out` (FIT.json); `fix` gives constants as "NAME=VALUE"."""
    return fits.fit_runs(runs, FitConfig.of(law, objective, valley, bootstrap, fix, counts, seed), out, force)


def scaling_forecast(
    fit: Fit | Path, params: float, tokens: float, unique_tokens: float | None = None, flops: float | None = None
) -> Forecast:
    """Return the loss, with intervals, that a run of this size and length will have by a fitted law."""
    return forecast(fit if isinstance(fit, Fit) else Fit.load(fit), params, tokens, unique_tokens, flops)


def scaling_picture(fit: Fit | Path, runs: Path, picture: Path) -> None:
    """Draw a fit beside its runs: residuals, loss against compute, valleys of equal compute (.png, .svg, .pdf)."""
    write_picture = importlib.import_module("groundup.report.scaling").write_picture
    write_picture(fit if isinstance(fit, Fit) else Fit.load(fit), read_points(runs), picture)
