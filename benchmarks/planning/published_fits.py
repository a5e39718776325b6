"""Fit the published isoFLOP experiments of Porian et al. 2024 and print their exponents beside ours; exits 1 if one is missed.

    python benchmarks/planning/published_fits.py [--picture FILE]

Reads `scaling/isoflop_points.csv` and `scaling/published_fits.csv` of GROUNDUP_DATA. An experiment is a data set, tuned or base
hyperparameters, a warm-up, a decay, a way to count parameters (kaplan: without head and embeddings; standard: with the head;
attention: with the head and the FLOPs of attention as parameters), and losses of training or of held-out text. Published are four
fits of each: basic (least squares of the best sizes), weighted (by their noise), and the medians of both over bootstraps of the
noise, with 95 % intervals. Ours is inside if the interval of the same weighting holds it.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from acceptance_checks import DATA, read_rows

from groundup.artifacts.scaling_fit import Fit
from groundup.report.scaling import write_picture
from groundup.scaling.config import FitConfig
from groundup.scaling.frontier import ValleyName
from groundup.scaling.points import Points, points_of
from groundup.scaling.run import fit_points

SCALING = DATA / "scaling"
KEY = ("file", "row")
DRAWN = "rw tuned short const standard"
TOLD = ("dataset", "hparams", "warmup", "decay", "param_count", "eval")


@dataclass(frozen=True)
class Experiment:
    """The points of one experiment and its published fits."""

    name: str
    points: Points
    published: dict[str, dict[str, str]]
    """basic, weighted, bootstrap, bootstrap_weighted -> row of the table."""

    def interval(self, fit: str) -> tuple[float, float]:
        """Return the published 95 % interval of the exponent for the weighting of that fit."""
        row = self.published["bootstrap_weighted" if "weighted" in fit else "bootstrap"]
        return float(row["n_exponent_lo95"]), float(row["n_exponent_hi95"])


def experiments() -> Iterator[Experiment]:
    """Yield the experiments in the order of the table."""
    points = read_rows(SCALING / "isoflop_points.csv")
    fits = read_rows(SCALING / "published_fits.csv")
    for key in dict.fromkeys(tuple(row[name] for name in KEY) for row in points):
        rows = [row for row in points if tuple(row[name] for name in KEY) == key and row["n"]]
        values = np.array([[float(row[name]) for name in ("n", "tokens", "loss", "flops")] for row in rows]).T
        published = {row["fit"]: row for row in fits if tuple(row[name] for name in KEY) == key}
        yield Experiment(" ".join(rows[0][name] for name in TOLD), points_of(*values), published)


def fitted(experiment: Experiment, valley: ValleyName, bootstrap: int = 1000) -> Fit:
    """Return our fit of the experiment's best sizes."""
    return fit_points(experiment.points, FitConfig(law="isoflop", valley=valley, bootstrap=bootstrap))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="draw the valleys of the tuned experiment on RefinedWeb instead")
    picture = parser.parse_args().picture
    if picture is not None:
        drawn = next(experiment for experiment in experiments() if experiment.name.startswith(DRAWN))
        write_picture(fitted(drawn, "akima"), drawn.points, picture)
        return
    head = [
        "experiment",
        "ours",
        "our 95 %",
        "parabola",
        *("basic", "weighted", "bootstrap", "bootstrap_weighted"),
        "published 95 %",
        "of 4 inside",
    ]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    rows = inside = parabolas = 0
    for experiment in experiments():
        fit, parabola = fitted(experiment, "akima"), fitted(experiment, "parabola", 0)
        ours = fit.optimal["a"]
        holds = [low <= ours <= high for low, high in (experiment.interval(name) for name in experiment.published)]
        rows, inside = rows + len(holds), inside + sum(holds)
        low, high = experiment.interval("basic")
        parabolas += low <= parabola.optimal["a"] <= high
        published = [f"{float(row['n_exponent']):.4f}" for row in experiment.published.values()]
        mine = "[{:.3f}, {:.3f}]".format(*fit.intervals_95["a"])
        cells = [
            experiment.name,
            f"{ours:.4f}",
            mine,
            f"{parabola.optimal['a']:.4f}",
            *published,
            f"[{low:.4f}, {high:.4f}]",
            str(sum(holds)),
        ]
        print(f"| {' | '.join(cells)} |")
    print(f"\n{inside} of {rows} published intervals hold our exponent; parabolas are inside {parabolas} of {rows // 4} (basic)")
    sys.exit(inside < rows)


if __name__ == "__main__":
    main()
