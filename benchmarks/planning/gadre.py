"""Fit the parametric law to the 104 models of Gadre et al. 2024 without the largest, and forecast these.

    python benchmarks/planning/gadre.py [--objective huber-sum|huber-mle|lsq] [--tables FOLDER]

Reads `scaling/gadre_models.csv` of GROUNDUP_DATA: models of 11 M to 6.9 B parameters trained on three data sets, over-trained to up
to 640 tokens a parameter; the loss is that of held-out C4. For each data set the models of at least a tenth of the largest compute
are left out, and printed beside what the law of the others says of them. `--tables` writes all of them for `scaling fit` instead.
"""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from acceptance_checks import DATA, read_rows

from groundup.artifacts.scaling_fit import ObjectiveName
from groundup.core.errors import GroundupError
from groundup.estimate.forecast import forecast
from groundup.scaling.fit import fit_chinchilla
from groundup.scaling.points import Points, points_of

LOSS = "loss__c4_val_shard_0000000_0000010_tar"
HELD_OUT_SHARE = 0.1
"""Of the largest compute: models from there on are forecast."""


def table(dataset: str) -> Points:
    """Return the models of a data set with the loss of held-out C4."""
    rows = [row for row in read_rows(DATA / "scaling" / "gadre_models.csv") if row["dataset"] == dataset]
    params, tokens, loss = (np.array([float(row[name]) for row in rows]) for name in ("N", "D", LOSS))
    return points_of(params, tokens, loss, run_id=[row["name"] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", choices=get_args(ObjectiveName), default="huber-sum")
    parser.add_argument("--tables", type=Path, help="write DATASET.csv files there, and fit nothing")
    given = parser.parse_args()
    objective: ObjectiveName = given.objective
    for dataset in sorted({row["dataset"] for row in read_rows(DATA / "scaling" / "gadre_models.csv")}):
        if given.tables is None:
            report(dataset, objective)
        else:
            write(table(dataset), given.tables / f"{dataset}.csv")


def write(points: Points, file: Path) -> None:
    """Write a table for `groundup scaling fit`."""
    rows = [
        f"{params:.0f},{tokens:.0f},{loss!r}"
        for params, tokens, loss in np.stack([points.params, points.tokens, points.loss], axis=1).tolist()
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["params,tokens,loss", *rows, ""]))


def report(dataset: str, objective: ObjectiveName) -> None:
    """Print what the models below a tenth of the largest compute say of the others."""
    points = table(dataset)
    smaller = points.flops < HELD_OUT_SHARE * points.flops.max()
    print(f"\n{dataset}: {smaller.sum()} models below {points.flops[smaller].max():.2g} FLOPs, {(~smaller).sum()} held out")
    try:
        fit = fit_chinchilla(points.take(smaller), objective, 1000, counts="all parameters, embeddings and head included")
    except GroundupError as error:
        print(f"  refused: {error}")
        return
    print("  " + ", ".join(f"{name} {value:.4g} (se {fit.standard_errors[name]:.2g})" for name, value in fit.params.items()))
    print(f"  interval scale {fit.interval_scale:.2f}; residual std {fit.residual_std:.3%}")
    best = points.loss[smaller].min()
    print(
        "  | params | tokens | tokens/param | times the compute | measured | forecast | error | 95 % | best so far |\n  |"
        + "---|" * 9
    )
    for at in np.flatnonzero(~smaller):
        found = forecast(fit, points.params[at], points.tokens[at])
        low, high = found.interval_95 or (float("nan"), float("nan"))
        loss = points.loss[at]
        print(
            f"  | {points.params[at] / 1e9:.2f} B | {points.tokens[at] / 1e9:.0f} B | {points.tokens[at] / points.params[at]:.0f} "
            f"| {points.flops[at] / points.flops[smaller].max():.1f} | {loss:.4f} | {found.loss:.4f} | "
            f"{found.loss / loss - 1:+.2%} "
            f"| {low:.3f} to {high:.3f}{'' if low <= loss <= high else ' (outside)'} | {best / loss - 1:+.2%} |"
        )


if __name__ == "__main__":
    main()
