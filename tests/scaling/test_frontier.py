"""Approaches 1 and 2 of Hoffmann et al. 2022: the best size of each compute, and the line through them."""

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from groundup.core.errors import ConfigError, DataError
from groundup.estimate.forecast import allocate, forecast
from groundup.estimate.laws import CHINCHILLA, optimal_size
from groundup.scaling.config import FitConfig
from groundup.scaling.points import Points, points_of
from groundup.scaling.run import fit_points

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[3] / "shared/data")) / "scaling"
LAW = {name: getattr(CHINCHILLA, name) for name in ("E", "A", "B", "alpha", "beta")}
EXPONENT = CHINCHILLA.beta / (CHINCHILLA.alpha + CHINCHILLA.beta)


def budgets(span: float = 3.0, sizes: int = 7, off: float = 1.0, noise: float = 0.0, seed: int = 0) -> Points:
    """Return isoFLOP runs at sizes within `span` times and divided of `off` times the best, losses by the published refit."""
    random = np.random.default_rng(seed)
    flops = np.repeat(np.geomspace(1e18, 1e21, 8), sizes)
    params = optimal_size(1.0, LAW)[0] * flops**EXPONENT * off * np.tile(np.geomspace(1 / span, span, sizes), 8)
    tokens = flops / 6 / params
    loss = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
    return points_of(params, tokens, loss * np.exp(noise * random.standard_normal(len(loss))), flops)


@pytest.mark.parametrize("valley", ["akima", "parabola"])
def test_the_exponent_of_a_known_law_is_found_from_its_valleys(valley: str) -> None:
    fit = fit_points(budgets(), FitConfig(law="isoflop", valley=valley))
    assert fit.optimal["a"] == pytest.approx(EXPONENT, abs=2e-3)
    assert fit.optimal["a"] + fit.optimal["b"] == pytest.approx(1, abs=2e-3)
    best = allocate(fit, 1e20)
    assert best.params == pytest.approx(optimal_size(1e20, LAW)[0], rel=0.05)
    assert len(fit.frontier) == 8


def test_a_parabola_is_pulled_by_sizes_far_off_and_the_spline_is_not() -> None:
    """Valleys are steeper towards small models; the wider and the less centred the sizes, the more a parabola errs."""
    lopsided = budgets(span=7, sizes=9, off=2)
    truth = optimal_size(1e20, LAW)[0]
    error = {
        how: abs(np.log(allocate(fit_points(lopsided, FitConfig(law="isoflop", valley=how)), 1e20).params / truth))
        for how in ("akima", "parabola")
    }
    assert error["akima"] < 0.05
    assert error["parabola"] > 2 * error["akima"]


@pytest.mark.parametrize("valley", ["akima", "parabola"])
def test_intervals_of_the_exponent_hold_it_about_as_often_as_they_say(valley: str) -> None:
    inside = 0
    for seed in range(40):
        fit = fit_points(budgets(noise=0.001, seed=seed), FitConfig(law="isoflop", valley=valley, bootstrap=300))
        low, high = fit.intervals_95["a"]
        inside += low < EXPONENT < high
    assert 0.82 <= inside / 40 <= 1


def test_budgets_whose_best_size_lies_outside_are_told() -> None:
    points = budgets()
    cut = points.take((points.flops > 1.1e18) | (points.params > 1.5 * optimal_size(1e18, LAW)[0]))
    fit = fit_points(cut, FitConfig(law="isoflop"))
    assert len(fit.frontier) == 7
    assert fit.dropped[-1]["because"].startswith("2 sizes") or "falls towards the smallest" in fit.dropped[-1]["because"]
    assert "1 budgets of 8" in fit.warnings[0]


def test_too_few_valleys_are_refused() -> None:
    points = budgets()
    with pytest.raises(DataError, match=r"2 budgets have a best size inside their sizes, 3 are needed"):
        fit_points(points.take(points.flops < 4e18), FitConfig(law="isoflop"))
    with pytest.raises(DataError, match="falls towards the largest"):
        fit_points(budgets(span=1.5, off=0.2), FitConfig(law="isoflop"))


def test_best_runs_say_no_loss_of_others() -> None:
    fit = fit_points(budgets(), FitConfig(law="isoflop", bootstrap=10))
    with pytest.raises(ConfigError, match="a fit of isoflop knows the best runs alone"):
        forecast(fit, 1e9, 1e10)


def curves(runs: int = 14) -> Points:
    """Return training curves of many sizes whose losses follow the published refit at every moment."""
    params = np.repeat(np.geomspace(2e7, 2e10, runs), 40)
    tokens = np.concatenate([20 * size * np.geomspace(0.01, 8, 40) for size in np.unique(params)])
    loss = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
    return points_of(params, tokens, loss, run_id=[f"{size:.0f}" for size in params])


def test_the_envelope_of_training_curves_has_the_exponent() -> None:
    fit = fit_points(curves(), FitConfig(law="envelope", bootstrap=100))
    assert fit.optimal["a"] == pytest.approx(EXPONENT, abs=0.02)
    low, high = fit.intervals_95["a"]
    assert low <= EXPONENT <= high
    for best in fit.frontier:
        assert best["params"] == pytest.approx(optimal_size(best["flops"], LAW)[0], rel=0.35)


def test_ends_of_runs_alone_have_no_envelope() -> None:
    with pytest.raises(DataError, match="0 runs have more than one point"):
        fit_points(budgets(), FitConfig(law="envelope"))
    with pytest.raises(DataError, match="sizes between the smallest and the largest"):
        fit_points(curves(runs=4), FitConfig(law="envelope"))


@pytest.mark.skipif(not (DATA / "isoflop_points.csv").is_file(), reason=f"no {DATA}: set GROUNDUP_DATA")
def test_published_exponents_come_out_of_the_published_points() -> None:
    """Porian et al. 2024, fifteen experiments: within their intervals, and near their values."""
    rows: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with (DATA / "isoflop_points.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["n"]:
                rows[row["file"], row["row"]].append([float(row[name]) for name in ("n", "tokens", "loss", "flops")])
    with (DATA / "published_fits.csv").open(newline="") as file:
        published = {(row["file"], row["row"], row["fit"]): row for row in csv.DictReader(file)}
    assert len(rows) == 15
    for (source, number), values in rows.items():
        ours = fit_points(points_of(*np.array(values).T), FitConfig(law="isoflop", bootstrap=0)).optimal
        basic, interval = published[source, number, "basic"], published[source, number, "bootstrap"]
        assert float(interval["n_exponent_lo95"]) <= ours["a"] <= float(interval["n_exponent_hi95"])
        assert ours["a"] == pytest.approx(float(basic["n_exponent"]), abs=0.004)
        assert ours["b"] == pytest.approx(float(basic["t_exponent"]), abs=0.004)
