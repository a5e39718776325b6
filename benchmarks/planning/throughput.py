"""Print predicted beside published tokens a second, each family of runs by constants fitted on the others.

    python benchmarks/planning/throughput.py [--rows]

With --rows every run is told. The tables of published runs are read from GROUNDUP_DATA, else ../shared/data.
"""

import argparse

import numpy as np
from fit_priors import fit, fit_exposed, predict
from published import rows
from rich.console import Console
from rich.table import Table

from groundup.estimate.layout.priors import shipped_priors


def main() -> None:
    """Fit on all families but one, predict that one, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", action="store_true", help="tell every run")
    tell_rows, found, shipped = parser.parse_args().rows, rows(), shipped_priors()
    summary = Table("family", "runs", "median |error|", "median error", "worst", "median |error|, shipped")
    each = Table("run", "tokens/s a device", "predicted", "error")
    for family in dict.fromkeys(row.family for row in found):
        own, others = ([row for row in found if (row.family == family) is inside] for inside in (True, False))
        priors = fit(others, fit_exposed(others))
        errors = np.array([row.step_s / predict(row, priors) - 1 for row in own])
        in_fit = np.array([row.step_s / predict(row, shipped) - 1 for row in own])
        summary.add_row(
            family,
            f"{len(own)}",
            f"{np.median(np.abs(errors)):.1%}",
            f"{np.median(errors):+.1%}",
            f"{errors[np.argmax(np.abs(errors))]:+.1%}",
            f"{np.median(np.abs(in_fit)):.1%}",
        )
        for row, error in zip(own, errors, strict=True):
            speed = row.tokens_per_s_per_device
            each.add_row(row.name, f"{speed:,.0f}", f"{speed * (1 + error):,.0f}", f"{error:+.1%}")
    console = Console(width=140)
    if tell_rows:
        console.print(each)
    console.print(summary)
    console.print("error of tokens a second: positive where the prediction is too fast; each family left out of the fit")


if __name__ == "__main__":
    main()
