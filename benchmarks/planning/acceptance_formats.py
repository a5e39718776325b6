"""Rows about number formats."""

import math
from collections.abc import Iterator

import numpy as np
from acceptance_checks import PLANNING, Check, read_rows

from groundup.estimate.formats.table import find_format
from groundup.plan.formats import answer

EXACT = 1e-15


def pi() -> Iterator[Check]:
    """Pi in each format, and the literal of a well-known slide."""
    for row in read_rows(PLANNING / "pi_expected.csv"):
        name = row["format"].split()[0]
        if "absmax" in row["format"]:
            continue  # projections of a whole tensor have tests of their own
        value = 3.141592 if "literal" in row["format"] else math.pi
        stored = find_format(name).stored(np.array([value]), "truncate" if "truncate" in row["format"] else "nearest")
        yield Check(f"{row['format']}, stored", float(row["stored_value"]), float(stored[0]), EXACT)
        if row["hex"] and "truncate" not in row["format"]:
            pattern = int(find_format(name).encode(np.array([value]))[0])
            yield Check(f"{row['format']}, bit pattern", int(row["hex"], 16), pattern, EXACT)


def memory_of_weights() -> Iterator[Check]:
    """A thousand million weights in gigabytes."""
    expected = {"fp32": 4e9, "fp16": 2e9, "bf16": 2e9, "int8": 1e9}
    for line in answer(None, ",".join(expected), params=1e9).memory:
        yield Check(f"1e9 weights in {line.format}, bytes", expected[line.format], line.bytes, EXACT)
