"""Forecasts by a fit: intervals that hold what they say, and loud words where they cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import groundup
from groundup.artifacts.scaling_fit import Fit
from groundup.cli import app
from groundup.core.errors import ArtifactError, ConfigError
from groundup.estimate.forecast import forecast
from groundup.estimate.laws import CHINCHILLA
from groundup.scaling.fit import fit_chinchilla
from groundup.scaling.points import Points, points_of

Synthetic = Callable[..., Points]


@pytest.fixture(scope="module")
def fit(synthetic: Synthetic) -> Fit:
    return fit_chinchilla(synthetic(), bootstrap=50, validated=False)


def write_table(points: Points, file: Path) -> Path:
    rows = np.stack([points.params, points.tokens, points.loss], axis=1).tolist()
    file.write_text("params,tokens,loss\n" + "".join(f"{n!r},{d!r},{loss!r}\n" for n, d, loss in rows))
    return file


def test_the_loss_is_the_laws(fit: Fit) -> None:
    found = forecast(fit, 70e9, 1.4e12)
    law = fit.params
    assert found.loss == pytest.approx(law["E"] + law["A"] / 70e9 ** law["alpha"] + law["B"] / 1.4e12 ** law["beta"])
    assert found.flops == pytest.approx(5.88e23)
    assert found.interval_95[0] < found.interval_80[0] < found.loss < found.interval_80[1] < found.interval_95[1]
    assert forecast(fit, 70e9, 1.4e12) == found


@pytest.mark.parametrize("runs", [12, 60])
def test_intervals_hold_the_share_of_new_runs_that_they_say(synthetic: Synthetic, runs: int) -> None:
    """Of tables of few and of many runs, a run of ten times their compute lies within 95 % and 80 % about so often."""
    noise, inside = 0.004, {"interval_80": 0, "interval_95": 0}
    random = np.random.default_rng(7)
    tables = 60
    for seed in range(tables):
        drawn = np.exp(np.random.default_rng(seed).uniform(np.log([[1e8], [2e9]]), np.log([[1e10], [2e11]]), (2, runs)))
        loss = np.array([CHINCHILLA.loss(n, d) for n, d in drawn.T]) * np.exp(noise * random.standard_normal(runs))
        found = forecast(
            fit_chinchilla(points_of(*drawn, loss), "lsq", bootstrap=60, fixed={"E": CHINCHILLA.E}, validated=False), 3e10, 7e11
        )
        measured = CHINCHILLA.loss(3e10, 7e11) * np.exp(noise * random.standard_normal())
        for level in inside:
            low, high = getattr(found, level)
            inside[level] += low <= measured <= high
    assert 0.88 <= inside["interval_95"] / tables <= 1.0
    assert 0.70 <= inside["interval_80"] / tables <= 0.95


def test_beyond_a_hundred_times_the_compute_it_says_so_loudly(fit: Fit) -> None:
    inside = forecast(fit, 1e9, 2e10)
    assert inside.extrapolation["flops"] == 1
    assert not inside.warnings
    far = forecast(fit, 1e12, 2e13)
    assert far.extrapolation["flops"] == pytest.approx(6 * 2e25 / fit.spans["flops"].high)
    assert "EXTRAPOLATION" in far.warnings[0]
    assert "add larger runs" in far.warnings[0]


def test_without_resamples_there_is_no_interval_and_it_says_why(synthetic: Synthetic) -> None:
    found = forecast(fit_chinchilla(synthetic(), bootstrap=0), 1e9, 2e10)
    assert found.interval_95 is None
    assert "--bootstrap" in found.warnings[0]


@pytest.mark.parametrize("run", [{"params": -1.0}, {"tokens": float("nan")}, {"unique_tokens": 3e10}, {"flops": 0.0}])
def test_runs_that_cannot_be_are_refused(fit: Fit, run: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(run))):
        forecast(fit, **{"params": 1e9, "tokens": 2e10, **run})


def test_a_fit_comes_back_from_its_file(fit: Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "deep" / "FIT.json")
    assert Fit.load(tmp_path / "deep" / "FIT.json") == fit


def test_files_that_are_no_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no such file; 'groundup scaling fit RUNS\.csv --out"):
        Fit.load(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"law": "chinchilla"}')
    with pytest.raises(ArtifactError, match="'params' is required"):
        Fit.load(tmp_path / "other.json")


def test_the_commands_write_a_fit_and_forecast_by_it(synthetic: Synthetic, tmp_path: Path) -> None:
    table, out = write_table(synthetic(count=40), tmp_path / "runs.csv"), tmp_path / "FIT.json"
    run = CliRunner().invoke(app, ["scaling", "fit", str(table), "--bootstrap", "5", "--out", str(out), "--counts", "all of them"])
    assert run.exit_code == 0, run.output
    assert "params counts: all of them" in run.output
    fit = groundup.scaling_fit(table, bootstrap=5, counts="all of them")
    assert Fit.load(out) == fit
    said = CliRunner().invoke(app, ["scaling", "forecast", str(out), "--params", "7e10", "--tokens", "1.4e12"])
    assert f"loss {groundup.scaling_forecast(out, 7e10, 1.4e12).loss:.4f}" in said.output
    with pytest.raises(ConfigError, match="holds something else"):
        groundup.scaling_fit(table, bootstrap=5, out=out)
    groundup.scaling_fit(table, bootstrap=5, out=out, force=True)
    with pytest.raises(ConfigError, match="is a folder; name a file"):
        groundup.scaling_fit(table, bootstrap=0, out=tmp_path)


def test_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write NAME=VALUE"):
        groundup.scaling_fit(tmp_path / "runs.csv", fix=["alpha"])
    with pytest.raises(ConfigError, match="'objective'"):
        groundup.scaling_fit(tmp_path / "runs.csv", objective="huber")
