"""The rate of the model's own matrix products in bfloat16, forward and backward, as torch multiplies them: the peak of MFU."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import torch
import torch.nn.functional as F
from cases import CASES
from turns import Turns

REPEATS = 3


def main() -> None:
    """Time all products in each turn and report the fastest one's rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    case = CASES[parser.parse_args().case]
    products = []
    for rows, inner, columns in case.products:
        x, weight, grad = (torch.randn(shape).bfloat16() for shape in ((rows, inner), (columns, inner), (rows, columns)))
        flops = 2 * rows * inner * columns
        products += [
            (flops, lambda x=x, weight=weight: F.linear(x, weight)),
            (flops, lambda grad=grad, weight=weight: grad @ weight),
            (flops, lambda grad=grad, x=x: grad.T @ x),
        ]
    turns = Turns()
    while True:
        rates, total_flops, total_s = [], 0, 0.0
        for flops, multiply in products:
            times_s = []
            for _ in range(REPEATS):
                start_s = time.perf_counter()
                multiply()
                times_s.append(time.perf_counter() - start_s)
            median_s = sorted(times_s)[REPEATS // 2]
            rates.append(flops / median_s)
            total_flops, total_s = total_flops + flops, total_s + median_s
        turns.report(total_s, best=max(rates), mean=total_flops / total_s)


if __name__ == "__main__":
    main()
