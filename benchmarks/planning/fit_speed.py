"""Time a fit of the parametric law on 240 points on one core: one fit, 4,000 bootstraps, 50 random starts.

    OMP_NUM_THREADS=1 python benchmarks/planning/fit_speed.py [--rounds 3]

Prints the best of the rounds, in processor time; the points are those of acceptance_scaling.py.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from acceptance_scaling import MEAN_ERROR, synthetic

from groundup.artifacts.scaling_fit import ObjectiveName
from groundup.scaling.curves.chinchilla import ChinchillaCurve
from groundup.scaling.fit import fit_chinchilla
from groundup.scaling.objectives import DELTA, at_delta

BOOTSTRAPS = 4000
STARTS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    points = synthetic(MEAN_ERROR)
    objectives: tuple[ObjectiveName, ...] = ("huber-sum", "huber-mle", "lsq")
    print("| objective | one fit | 4,000 bootstraps | with validation and profiles |\n|---|---|---|---|")
    for objective in objectives:
        seconds = [
            best_s(partial(fit_chinchilla, points, objective, 0), rounds),
            best_s(partial(fit_chinchilla, points, objective, BOOTSTRAPS, validated=False), rounds),
            best_s(partial(fit_chinchilla, points, objective, BOOTSTRAPS), rounds),
        ]
        print(f"| {objective} | {' | '.join(f'{each:.3f} s' for each in seconds)} |")
    curve, random = ChinchillaCurve(points, {}), np.random.default_rng(1)
    exponents = np.exp(random.uniform(np.log(0.02), np.log(3), (STARTS, 2)))
    starts = np.array([curve.start_from(alpha, beta, points.weight) for alpha, beta in exponents])
    objective_values = at_delta(curve, np.tile(points.weight, (STARTS, 1)), starts, DELTA).objective
    print(f"\n{STARTS} random starts: largest over least objective - 1 = {np.ptp(objective_values) / objective_values.min():.1e}")


def best_s(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time of so many rounds."""
    times = []
    for _ in range(rounds):
        start_s = time.process_time()
        work()
        times.append(time.process_time() - start_s)
    return min(times)


if __name__ == "__main__":
    main()
