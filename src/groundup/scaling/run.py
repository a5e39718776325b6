"""Fit a law to a table of runs and write it."""

from pathlib import Path

from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import ConfigError
from groundup.scaling.config import FRONTIER_LAWS, FitConfig
from groundup.scaling.fit import fit_curve
from groundup.scaling.frontier_fit import fit_frontier
from groundup.scaling.points import Points, read_points


def fit_runs(table: Path, config: FitConfig, out: Path | None = None, force: bool = False) -> Fit:
    """Fit what `config` says to the CSV file; write FIT.json to `out`, refused if another fit is there."""
    fit = fit_points(read_points(table), config)
    if out is not None:
        write_fit(fit, out, force)
    return fit


def fit_points(points: Points, config: FitConfig) -> Fit:
    """Fit what `config` says."""
    if config.law in FRONTIER_LAWS:
        return fit_frontier(points, config)
    return fit_curve(
        points, config.law, config.objective or "huber-sum", config.bootstrap, config.fixed, config.seed, config.counts
    )


def write_fit(fit: Fit, out: Path, force: bool) -> None:
    """Write FIT.json; raise ConfigError if `out` holds something else, unless `force` is given."""
    if out.is_dir():
        raise ConfigError(f"--out {out}: is a folder; name a file, as in {out / 'FIT.json'}")
    if out.exists() and not force and (not out.read_text(errors="replace").startswith("{") or Fit.load(out) != fit):
        raise ConfigError(f"--out {out}: holds something else; choose another name, or replace it with --force")
    fit.save(out)
