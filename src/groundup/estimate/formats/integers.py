"""Whole numbers of a few bits, which a scale makes numbers of any size."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from groundup.estimate.formats.base import NumberFormat, Patterns, Rounding, Values


@final
@dataclass(frozen=True)
class IntegerFormat(NumberFormat):
    """Whole numbers in two's complement: b bits reach from -2^(b - 1) to 2^(b - 1) - 1, b - 1 of them hold the value.

    What is outside becomes the nearest end (saturates). NaN has no pattern: it becomes 0.
    """

    name: str
    title: str
    fraction_bits: int
    source: str
    exponent_bits: int = 0
    sign_bits: int = 1

    @property
    def largest(self) -> float:
        return float((1 << self.fraction_bits) - 1)

    @property
    def lowest(self) -> float:
        return -float(1 << self.fraction_bits)

    def encode(self, values: Values, rounding: Rounding = "nearest") -> Patterns:
        inside = np.clip(np.nan_to_num(values, nan=0.0, posinf=self.largest, neginf=self.lowest), self.lowest, self.largest)
        whole = np.rint(inside) if rounding == "nearest" else np.trunc(inside)
        return whole.astype(np.int64) & (1 << self.bits) - 1

    def decode(self, patterns: Patterns) -> Values:
        return np.where(patterns >= 1 << self.fraction_bits, patterns - (1 << self.bits), patterns).astype(np.float64)

    def spacing(self, value: float) -> float:
        return math.nan if math.isnan(value) else 1.0

    def explain(self, pattern: int) -> dict[str, str]:
        is_negative = bool(pattern >> self.fraction_bits)
        value = pattern & (1 << self.fraction_bits) - 1
        sign = f"-{1 << self.fraction_bits} (two's complement)" if is_negative else "+"
        return {"sign": sign, "fraction": f"{value}" if not is_negative else f"+ {value} = {value - (1 << self.fraction_bits)}"}
