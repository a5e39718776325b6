"""Binary floating-point formats from 8 to 32 bits, encoded and decoded from their definition."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from groundup.estimate.formats.base import NumberFormat, Patterns, Rounding, Values


@final
@dataclass(frozen=True)
class FloatFormat(NumberFormat):
    """Sign, exponent and fraction: (-1)^s * 2^(E - bias) * (1 + F / 2^f), and below the smallest exponent 2^(1 - bias) * F / 2^f.

    IEEE 754-2019, section 3.4. With `has_infinity` the largest exponent is kept for infinities (F = 0) and NaN; without it, the
    pattern of ones alone is NaN and every other one a number (E4M3: Micikevicius et al. 2022, table 1; OCP OFP8 1.0, section 5).
    What is too large becomes infinity or, where there is none, the largest number, as does infinity (saturation: of the
    two modes that OFP8 allows that of torch 2.13; the other gives NaN).
    """

    name: str
    title: str
    exponent_bits: int
    fraction_bits: int
    source: str
    has_infinity: bool = True
    sign_bits: int = 1

    @property
    def bias(self) -> int:
        return (1 << self.exponent_bits - 1) - 1

    @property
    def min_exponent(self) -> int:
        """Of the smallest normal number, and of the subnormal ones below it."""
        return 1 - self.bias

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, self.min_exponent)

    @property
    def smallest_subnormal(self) -> float:
        return math.ldexp(1.0, self.min_exponent - self.fraction_bits)

    @property
    def largest(self) -> float:
        return float(self.decode(np.array([self._largest_pattern]))[0])

    @property
    def lowest(self) -> float:
        return -self.largest

    def encode(self, values: Values, rounding: Rounding = "nearest") -> Patterns:
        magnitudes = np.abs(values)
        finite = np.where(np.isfinite(values), magnitudes, 0.0)
        exponents = np.where(finite > 0, np.frexp(finite)[1].astype(np.int64) - 1, self.min_exponent)
        exponents = np.maximum(exponents, self.min_exponent)
        steps = np.ldexp(finite, self.fraction_bits - exponents)  # exact: a power of two changes no digit
        whole = np.rint(steps) if rounding == "nearest" else np.floor(steps)
        # One exponent more is 2^f patterns more, so a fraction that is rounded up to 2^f lands on the next exponent by itself.
        patterns = (exponents - self.min_exponent << self.fraction_bits) + whole.astype(np.int64)
        infinite = self._special_pattern if self.has_infinity else self._largest_pattern
        beyond = infinite if rounding == "nearest" else self._largest_pattern
        patterns = np.where(patterns > self._largest_pattern, beyond, patterns)
        patterns = np.where(np.isinf(values), infinite, patterns)
        patterns = np.where(np.isnan(values), self._nan_pattern, patterns)
        signed: Patterns = patterns | np.signbit(values).astype(np.int64) << self.bits - 1
        return signed

    def decode(self, patterns: Patterns) -> Values:
        fields, fractions = self._fields(patterns)
        is_normal = fields > 0
        whole = np.where(is_normal, fractions + (1 << self.fraction_bits), fractions).astype(np.float64)
        exponents = np.where(is_normal, fields - self.bias, self.min_exponent) - self.fraction_bits
        values = np.ldexp(whole, exponents)
        beyond = patterns & (1 << self.bits - 1) - 1
        values = np.where(beyond > self._largest_pattern, np.nan, values)
        if self.has_infinity:
            values = np.where(beyond == self._special_pattern, np.inf, values)
        return np.where(patterns >> self.bits - 1 & 1, -values, values)

    def spacing(self, value: float) -> float:
        if not math.isfinite(value):
            return math.nan
        exponent = max(math.frexp(value)[1] - 1, self.min_exponent) if value else self.min_exponent
        return math.ldexp(1.0, exponent - self.fraction_bits)

    def explain(self, pattern: int) -> dict[str, str]:
        fields, fractions = self._fields(np.array([pattern]))
        field, fraction, steps = int(fields[0]), int(fractions[0]), 1 << self.fraction_bits
        sign = "-" if pattern >> self.bits - 1 else "+"
        magnitude = pattern & (1 << self.bits - 1) - 1
        if magnitude > self._largest_pattern:
            is_infinite = self.has_infinity and magnitude == self._special_pattern
            return {"sign": sign, "exponent": "all ones", "fraction": "infinity" if is_infinite else "NaN: not a number"}
        if field == 0:
            power = f"0, so 2^{self.min_exponent} and no 1 before the fraction"
            return {"sign": sign, "exponent": power, "fraction": f"{fraction}/{steps}"}
        power = f"{field} - {self.bias}, so 2^{field - self.bias} = {math.ldexp(1.0, field - self.bias):.6g}"
        return {"sign": sign, "exponent": power, "fraction": f"1 + {fraction}/{steps} = {1 + fraction / steps:.10g}"}

    def _fields(self, patterns: Patterns) -> tuple[Patterns, Patterns]:
        """Return exponents as they stand and fractions."""
        return (
            patterns >> self.fraction_bits & (1 << self.exponent_bits) - 1,
            patterns & (1 << self.fraction_bits) - 1,
        )

    @property
    def _ones(self) -> int:
        return (1 << self.exponent_bits + self.fraction_bits) - 1

    @property
    def _largest_pattern(self) -> int:
        return self._special_pattern - 1

    @property
    def _special_pattern(self) -> int:
        """The first that is no number: infinity or, where there is none, NaN."""
        return self._ones - ((1 << self.fraction_bits) - 1) if self.has_infinity else self._ones

    @property
    def _nan_pattern(self) -> int:
        """The quiet NaN: the largest exponent with the first bit of the fraction."""
        return self._special_pattern | 1 << self.fraction_bits - 1
