"""Tensors projected onto a number format by scaling factors, and what that costs in error and bytes."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from groundup.estimate.formats.base import NumberFormat, Values
from groundup.estimate.formats.integers import IntegerFormat

Method = Literal["none", "absmax", "zero_point"]
"""How a scale is found: none at all; the largest magnitude onto the largest number; the range onto all patterns, with an offset."""
Granularity = Literal["tensor", "row", "group"]
"""Which values share a scale: all; those of a row, the last dimension; runs of `group_size` in a row."""
GRANULARITIES: Final[tuple[Granularity, ...]] = ("tensor", "row", "group")
SCALE_BYTES = 4
"""A scale is kept as FP32, as by PyTorch's own quantized tensors; FP16 would halve what scales add."""
GROUP_SIZE = 128
"""Values that share a scale where nothing else is said (Frantar et al. 2023, section 4; Lin et al. 2024, section 5)."""


@dataclass(frozen=True)
class Projection:
    """One way of storing a tensor, and its error."""

    format: str
    method: Method
    granularity: Granularity | None
    group_size: int | None
    bytes_per_value: float
    """With the scales, and the offsets, that the values share."""
    max_abs: float
    mean_abs: float
    rms: float
    sqnr_db: float
    """Signal to quantization noise: 10 log10(sum x^2 / sum error^2) [dB]; infinite if nothing is lost."""


def methods_of(number_format: NumberFormat) -> tuple[Method, ...]:
    """Return the ways of scaling that make sense: an offset needs patterns at even distances, wide floats need no scale."""
    if isinstance(number_format, IntegerFormat):
        return ("absmax", "zero_point")
    return ("none", "absmax") if number_format.bits <= 8 else ("none",)


def project(
    values: Values, number_format: NumberFormat, method: Method, granularity: Granularity = "tensor", group_size: int = GROUP_SIZE
) -> Values:
    """Return what is left of `values` (rows x columns) after storing: scaled, rounded to the format and scaled back.

    absmax: s = max|x| / largest (Dettmers et al. 2022, section 2.1). zero_point: s = (max - min) / (2^b - 1), a range with 0 in it,
    x = s (q - z) with the offset z a pattern too, so that 0 is stored exactly (Jacob et al. 2018, equations 1 and 12).
    """
    if method == "none":
        return number_format.stored(values)
    blocks, columns = _blocks(values, granularity, group_size)
    if method == "absmax":
        scales = _nonzero(np.abs(blocks).max(axis=-1, keepdims=True) / number_format.largest)
        return _unblocked(number_format.stored(blocks / scales) * scales, values, columns)
    low = np.minimum(blocks.min(axis=-1, keepdims=True), 0.0)
    high = np.maximum(blocks.max(axis=-1, keepdims=True), 0.0)
    scales = _nonzero((high - low) / (number_format.largest - number_format.lowest))
    offsets = np.clip(number_format.lowest - np.rint(low / scales), number_format.lowest, number_format.largest)
    codes = np.clip(np.rint(blocks / scales) + offsets, number_format.lowest, number_format.largest)
    return _unblocked((codes - offsets) * scales, values, columns)


def bytes_per_value(
    number_format: NumberFormat, method: Method, granularity: Granularity, group_size: int, rows: int, columns: int
) -> float:
    """Return the bytes that a value of a tensor takes with its share of scales (`SCALE_BYTES`) and offsets (one number each)."""
    if method == "none":
        return float(number_format.bytes)
    scales = {"tensor": 1, "row": rows, "group": rows * math.ceil(columns / group_size)}[granularity]
    each = SCALE_BYTES + (number_format.bytes if method == "zero_point" else 0)
    return number_format.bytes + scales * each / (rows * columns)


def project_all(values: Values, formats: list[NumberFormat], group_size: int = GROUP_SIZE) -> list[Projection]:
    """Return every sensible way of storing `values` (rows x columns, finite) in the formats, with its error."""
    found = []
    for number_format in formats:
        for method in methods_of(number_format):
            for granularity in GRANULARITIES if method != "none" else GRANULARITIES[:1]:
                errors = np.abs(project(values, number_format, method, granularity, group_size) - values)
                power, noise = float(np.square(values).mean()), float(np.square(errors).mean())
                found.append(
                    Projection(
                        format=number_format.name,
                        method=method,
                        granularity=None if method == "none" else granularity,
                        group_size=group_size if method != "none" and granularity == "group" else None,
                        bytes_per_value=bytes_per_value(number_format, method, granularity, group_size, *values.shape),
                        max_abs=float(errors.max()),
                        mean_abs=float(errors.mean()),
                        rms=math.sqrt(noise),
                        sqnr_db=_decibels(power, noise),
                    )
                )
    return found


def _decibels(power: float, noise: float) -> float:
    if not noise:
        return math.inf
    if not math.isfinite(noise):
        return math.nan if math.isnan(noise) else -math.inf
    return 10 * math.log10(power / noise) if power else -math.inf


def _blocks(values: Values, granularity: Granularity, group_size: int) -> tuple[Values, int]:
    """Return the values that share a scale along the last dimension, rows filled up with zeros; and how long rows are then."""
    columns = values.shape[1]
    if granularity == "tensor":
        return values.reshape(1, -1), columns
    if granularity == "row":
        return values, columns
    width = math.ceil(columns / group_size) * group_size
    return np.pad(values, ((0, 0), (0, width - columns))).reshape(-1, group_size), width


def _unblocked(blocks: Values, values: Values, width: int) -> Values:
    return blocks.reshape(values.shape[0], width)[:, : values.shape[1]]


def _nonzero(scales: Values) -> Values:
    """Return the scales; 1 where all values are 0, or so small that their scale is."""
    return np.where(scales > 0, scales, 1.0)
