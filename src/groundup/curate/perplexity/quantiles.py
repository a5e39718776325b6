"""How perplexities of many texts lie."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NUM_STEPS = 1000
_DIGITS = 6


def quantiles_of(values: Floats) -> list[float]:
    """Return the values below which 0, 0.1, 0.2, ... 100 percent lie."""
    return [float(f"{value:.{_DIGITS}g}") for value in np.quantile(values, np.linspace(0, 1, NUM_STEPS + 1))]


def value_at(quantiles: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent lie."""
    return float(np.interp(percent, np.linspace(0, 100, len(quantiles)), quantiles))
