"""What every number format answers."""

from abc import ABC, abstractmethod
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Patterns = npt.NDArray[np.int64]
"""Bit patterns as whole numbers from 0."""
Rounding = Literal["nearest", "truncate"]
"""To the nearest neighbour, ties to the even pattern; or toward zero, as if the bits that do not fit were cut off."""

BITS_OF_A_BYTE: Final = 8


class NumberFormat(ABC):
    """A fixed number of bits, each pattern of which stands for one number."""

    name: str
    """As options and results call it."""
    title: str
    """As the field writes it."""
    sign_bits: int
    exponent_bits: int
    fraction_bits: int
    """Bits of the value beside sign and exponent; of whole numbers, all but the sign."""
    source: str

    @property
    def bits(self) -> int:
        return self.sign_bits + self.exponent_bits + self.fraction_bits

    @property
    def bytes(self) -> float:
        """Bytes a number takes: half a byte for 4 bits, two of which share one."""
        whole = self.bits // BITS_OF_A_BYTE
        return whole if whole * BITS_OF_A_BYTE == self.bits else self.bits / BITS_OF_A_BYTE

    @abstractmethod
    def encode(self, values: Values, rounding: Rounding = "nearest") -> Patterns:
        """Return the pattern that stores each value."""

    @abstractmethod
    def decode(self, patterns: Patterns) -> Values:
        """Return the number that each pattern stands for."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest finite number."""

    @property
    @abstractmethod
    def lowest(self) -> float:
        """The lowest finite number."""

    @abstractmethod
    def spacing(self, value: float) -> float:
        """Return the distance between neighbours where `value` lies; NaN where there are none."""

    @abstractmethod
    def explain(self, pattern: int) -> dict[str, str]:
        """Return the groups of bits of a pattern by their name, the most significant first, with what each says."""

    def stored(self, values: Values, rounding: Rounding = "nearest") -> Values:
        """Return what is left of values that are stored and read again."""
        return self.decode(self.encode(values, rounding))

    def split(self, pattern: int) -> dict[str, str]:
        """Return the bits of a pattern by part: sign, exponent, fraction; parts without bits are left out."""
        text = f"{pattern:0{self.bits}b}"
        ends = {"sign": self.sign_bits, "exponent": self.sign_bits + self.exponent_bits, "fraction": self.bits}
        parts, begin = {}, 0
        for name, end in ends.items():
            if end > begin:
                parts[name] = text[begin:end]
            begin = end
        return parts
