"""Pictures of fitted laws: one for every law, drawn whatever the fit lacks."""

from pathlib import Path

import numpy as np
import pytest

from groundup.artifacts.scaling_fit import LawName
from groundup.core.errors import ConfigError
from groundup.estimate.laws import CHINCHILLA, optimal_size
from groundup.report.scaling import write_picture
from groundup.scaling.config import FitConfig
from groundup.scaling.points import Points, points_of
from groundup.scaling.run import fit_points

LAW = {name: getattr(CHINCHILLA, name) for name in ("E", "A", "B", "alpha", "beta")}
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def points() -> Points:
    """Training curves of ten sizes, a third of them on repeated tokens, that end at budgets of equal compute."""
    random = np.random.default_rng(0)
    params, tokens, loss, unique, run = [], [], [], [], []
    for budget in np.geomspace(1e18, 1e20, 5):
        for factor in np.geomspace(0.3, 3, 6):
            size = optimal_size(budget, LAW)[0] * factor
            for share in (0.5, 1.0):
                params.append(size)
                tokens.append(share * budget / 6 / size)
                unique.append(tokens[-1] / (4 if factor > 1 else 1))
                run.append(f"{budget:.3g} {size:.3g}")
                loss.append(CHINCHILLA.loss(size, tokens[-1]) * np.exp(0.001 * random.standard_normal()))
    return points_of(params, tokens, loss, unique_tokens=unique, run_id=run)


@pytest.mark.parametrize("law", LawName.__args__)
def test_every_law_has_a_picture(law: LawName, points: Points, tmp_path: Path) -> None:
    fixed = {"R_N_star": 5.3, "E": LAW["E"]} if law == "data-constrained" else {}
    fit = fit_points(points, FitConfig(law=law, bootstrap=0, fixed=fixed))
    write_picture(fit, points, tmp_path / "new" / "fit.png")
    assert (tmp_path / "new" / "fit.png").read_bytes().startswith(PNG)


def test_a_name_that_is_no_picture_is_refused(points: Points, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'.docx' is no kind of picture; name a .png, .svg, .pdf file"):
        write_picture(fit_points(points, FitConfig(law="isoflop", bootstrap=0)), points, tmp_path / "fit.docx")


def test_intervals_are_drawn_where_there_are_any(points: Points, tmp_path: Path) -> None:
    for bootstrap in (0, 5):
        write_picture(fit_points(points, FitConfig(law="isoflop", bootstrap=bootstrap)), points, tmp_path / f"{bootstrap}.svg")
    assert "95 % of the line" in (tmp_path / "5.svg").read_text()
    assert "95 % of the line" not in (tmp_path / "0.svg").read_text()
