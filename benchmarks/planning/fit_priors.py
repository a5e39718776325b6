"""Fit the constants of the step time on published throughput, each family left out in turn; write priors.yaml.

    python benchmarks/planning/fit_priors.py [--out src/groundup/estimate/layout/priors.yaml]

`exposed` is fitted first, on rows that differ in the number of devices alone; the rest on all rows, families weighing alike, with a
robust loss (some rows of llm-foundry ran at the edge of the memory). BLOOM is in no table that is read.
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from published import Measured, rows
from scipy.optimize import least_squares

from groundup.estimate.layout.priors import FILE, Priors
from groundup.estimate.layout.step import step_times

NAMES = ("products", "scores", "traffic", "weights", "logits", "fused", "recomputed")
START = (1.35, 1.9, 8.0, 16.0, 12.0, 0.9, 0.8)
LOWEST = (1.0, 1.0, 0.0, 0.0, 0.0, 0.1, 0.0)
HIGHEST = (3.0, 6.0, 40.0, 60.0, 60.0, 1.0, 1.5)
LOSS_SCALE = 0.05
"""Relative errors above this weigh less and less."""
SCALING_SCALE = 0.005
INTERVAL = (0.05, 0.95)
UNJUDGED = {"low": 1.0, "high": 1.0, "unknown_low": 1.0}


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=FILE)
    found = rows()
    exposed = fit_exposed(found)
    priors = fit(found, exposed)
    errors = left_out(found)
    speeds = np.array([measured / predicted for pairs in errors.values() for predicted, measured in pairs])
    low, high = np.quantile(1 / speeds, INTERVAL)
    worst = max(_error(pairs)["median"] for pairs in errors.values())
    facts = {
        "source": "llm-foundry's table of A100 throughput; Narayanan et al. 2021; Korthikanti et al. 2022; torchtitan; nanoGPT",
        "made_by": "benchmarks/planning/fit_priors.py",
        "rows": dict(Counter(row.family for row in found)),
        "left_out_error": {family: _error(pairs) for family, pairs in errors.items()},
        "constants": {name: round(float(getattr(priors, name)), 4) for name in (*NAMES, "exposed")},
        "devices": {family: round(factor, 4) for family, factor in priors.devices.items()},
        "interval": {"low": round(float(low), 3), "high": round(float(high), 3), "unknown_low": round(1 / (1 + worst), 3)},
    }
    parser.parse_args().out.write_text(yaml.safe_dump(facts, sort_keys=False), encoding="utf-8")
    print(yaml.safe_dump(facts, sort_keys=False))


def left_out(found: list[Measured]) -> dict[str, list[tuple[float, float]]]:
    """Return predicted and measured seconds of a step of each family, by constants fitted on the others."""
    errors = {}
    for family in dict.fromkeys(row.family for row in found):
        others = [row for row in found if row.family != family]
        priors = fit(others, fit_exposed(others))
        errors[family] = [(predict(row, priors), row.step_s) for row in found if row.family == family]
    return errors


def predict(row: Measured, priors: Priors) -> float:
    """Return the predicted seconds of a step."""
    return float(step_times(row.problem, [row.layout], priors).total_s[0])


def fit_exposed(found: list[Measured]) -> float:
    """Return the share of sharded data parallel's communication that is not hidden, from rows alike but for the devices."""
    groups = defaultdict(list)
    for row in found:
        if row.layout.zero == 3:
            groups[row.family, row.problem.model, row.problem.rows, row.layout.micro_batch, row.problem.compiled].append(row)
    times: list[float] = []
    sent: list[float] = []
    for group in (group for group in groups.values() if len({row.problem.devices for row in group}) > 1):
        per_pass = [row.step_s / (row.problem.batch_sequences / row.layout.dp / row.layout.micro_batch) for row in group]
        all_exposed = [_communication_s(row) for row in group]
        middle = float(np.median(per_pass))
        times.extend((np.array(per_pass) - middle) / middle)
        sent.extend((np.array(all_exposed) - np.median(all_exposed)) / middle)
    if not times:
        return 0.5
    y, x = np.array(times), np.array(sent)

    def errors(share: Any) -> Any:
        return share[0] * x - y

    return float(least_squares(errors, [0.5], bounds=(0, 1), loss="soft_l1", f_scale=SCALING_SCALE).x[0])


def _communication_s(row: Measured) -> float:
    """Return the data-parallel communication of one micro-batch."""
    everything = Priors(**dict(zip(NAMES, START, strict=True)), exposed=1.0, devices={}, **UNJUDGED)
    passes = row.problem.batch_sequences / row.layout.dp / row.layout.micro_batch
    return float(step_times(row.problem, [row.layout], everything).dp_s[0]) / passes


def fit(found: list[Measured], exposed: float) -> Priors:
    """Return the constants for which predictions are nearest to the rows."""
    families = Counter(row.family for row in found)
    weights = np.array([families[row.family] ** -0.25 for row in found])
    has_h100 = any(row.problem.hardware.name.startswith("h100") for row in found)

    def priors(values: Any) -> Priors:
        devices = {"a100": 1.0, **({"h100": float(values[len(NAMES)])} if has_h100 else {})}
        return Priors(**dict(zip(NAMES, map(float, values), strict=False)), exposed=exposed, devices=devices, **UNJUDGED)

    def errors(values: Any) -> Any:
        settled = priors(values)
        return weights * np.log([predict(row, settled) / row.step_s for row in found])

    extra = ((1.2,), (0.5,), (3.0,)) if has_h100 else ((), (), ())
    best = least_squares(
        errors,
        (*START, *extra[0]),
        bounds=((*LOWEST, *extra[1]), (*HIGHEST, *extra[2])),
        loss="soft_l1",
        f_scale=LOSS_SCALE,
        x_scale=(*START, *extra[0]),
    )
    return priors(best.x)


def _error(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return what the speed is off by: the median of the absolute errors, and the median error with its sign."""
    errors = np.array([measured / predicted - 1 for predicted, measured in pairs])
    return {"median_absolute": round(float(np.median(np.abs(errors))), 3), "median": round(float(np.median(errors)), 3)}


if __name__ == "__main__":
    main()
