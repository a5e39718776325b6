"""How numbers, tensors and whole models are stored in number formats."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from groundup.core.errors import ConfigError
from groundup.estimate.formats import FORMATS, NumberFormat, find_format
from groundup.estimate.formats.base import Values
from groundup.estimate.formats.floats import FloatFormat
from groundup.estimate.formats.integers import IntegerFormat
from groundup.estimate.formats.scaling import GROUP_SIZE, SCALE_BYTES, Projection, project_all
from groundup.estimate.parameters import total_parameters
from groundup.nn.presets import find_preset

NAMED: Final = {"pi": math.pi, "e": math.e}
"""Numbers that may be asked for by name."""
MAX_VALUES = 1 << 22
"""Values of a tensor that are projected; of a larger one the first rows."""


@dataclass(frozen=True)
class StoredNumber:
    """One number in one format."""

    format: str
    bytes: float
    sign_bits: int
    exponent_bits: int
    fraction_bits: int
    stored: float
    hex: str
    abs_error: float
    bits: dict[str, str]
    """Bits by part: sign, exponent, fraction."""
    meaning: dict[str, str]
    """What each part says."""
    truncated: float
    """What would be stored if the bits that do not fit were cut off."""
    spacing: float
    """Distance between neighbours there."""
    scale: float
    """What whole numbers are multiplied by."""
    lowest: float
    largest: float
    smallest_normal: float | None
    smallest_subnormal: float | None


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in every format."""

    name: str
    rows: int
    columns: int
    total_rows: int
    """Of which `rows` were projected."""
    absmax: float
    std: float
    projections: tuple[Projection, ...]


@dataclass(frozen=True)
class StoredModel:
    """The weights of a model in one format [bytes]."""

    format: str
    bytes: float
    bytes_with_scales: float
    """With a scale for each group of weights, where the format needs scales."""
    group_size: int | None


@dataclass(frozen=True)
class Numbers:
    """What was asked for: a number, a tensor, a model, or several of them."""

    value: float | None
    formats: tuple[StoredNumber, ...]
    tensor: StoredTensor | None
    params: int | None
    memory: tuple[StoredModel, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what was asked for; what is not finite as "inf", "-inf" or "nan", as JSON has no such numbers."""
        found: dict[str, Any] = {}
        if self.value is not None:
            found |= {"value": self.value, "formats": [asdict(row) for row in self.formats]}
        if self.tensor is not None:
            found["tensor"] = asdict(self.tensor)
        if self.params is not None:
            found |= {"params": self.params, "memory": [asdict(row) for row in self.memory]}
        plain: dict[str, Any] = _plain(found)
        return plain


def _plain(found: Any) -> Any:
    if isinstance(found, float) and not math.isfinite(found):
        return str(found)
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    return [_plain(value) for value in found] if isinstance(found, list | tuple) else found


def read_formats(names: Sequence[str] | str | None) -> list[NumberFormat]:
    """Return the formats of the names, or of "fp32,int8"; all of them for None. Raises ConfigError for an unknown one."""
    if names is None:
        return list(FORMATS.values())
    listed = names.split(",") if isinstance(names, str) else names
    found = [find_format(name) for name in listed if name.strip()]
    if not found:
        raise ConfigError(f"no number format named; known: {', '.join(FORMATS)}")
    return found


def read_number(value: float | str) -> float:
    """Return the number, given as one or in words ("3.14", "1e-3", "pi"); raise ConfigError if it is none."""
    if not isinstance(value, str):
        return float(value)
    word = value.strip().lower()
    try:
        number = NAMED[word] if word in NAMED else float(word)
    except ValueError:
        raise ConfigError(
            f"'{value}' is not a number; give one such as 3.14, -1e-3, inf or nan, or the name {' or '.join(NAMED)}"
        ) from None
    if math.isinf(number) and "inf" not in word:
        raise ConfigError(f"{value} is beyond the float64 that it is read as, which ends at 1.8e308; say inf if that is meant")
    return number


def store_number(value: float, formats: Sequence[NumberFormat], absmax: float | None = None) -> tuple[StoredNumber, ...]:
    """Return how each format stores the value; whole numbers with the scale absmax / largest, without `absmax` 1.

    Raises ConfigError for an absmax that no format uses, or that is not above 0.
    """
    if absmax is not None:
        if not any(isinstance(number_format, IntegerFormat) for number_format in formats):
            raise ConfigError("--absmax scales whole numbers and has no effect on the formats asked for; add int8 or int4")
        if not (math.isfinite(absmax) and absmax > 0):
            raise ConfigError(f"--absmax {absmax:g}: the largest magnitude of what is stored must be above 0")
    return tuple(_stored(value, number_format, absmax) for number_format in formats)


def _stored(value: float, number_format: NumberFormat, absmax: float | None) -> StoredNumber:
    scale = absmax / number_format.largest if absmax is not None and isinstance(number_format, IntegerFormat) else 1.0
    scaled = np.array([value / scale])
    pattern = int(number_format.encode(scaled)[0])
    stored = float(number_format.decode(np.array([pattern]))[0]) * scale
    if math.isnan(value) and isinstance(number_format, IntegerFormat):
        error = math.nan
    else:
        error = 0.0 if stored == value else abs(stored - value)
    smallest = (
        (number_format.smallest_normal, number_format.smallest_subnormal)
        if isinstance(number_format, FloatFormat)
        else (None, None)
    )
    return StoredNumber(
        format=number_format.name,
        bytes=number_format.bytes,
        sign_bits=number_format.sign_bits,
        exponent_bits=number_format.exponent_bits,
        fraction_bits=number_format.fraction_bits,
        stored=stored,
        hex=hex(pattern),
        abs_error=error,
        bits=number_format.split(pattern),
        meaning=number_format.explain(pattern),
        truncated=float(number_format.stored(scaled, "truncate")[0]) * scale,
        spacing=number_format.spacing(stored) * scale,
        scale=scale,
        lowest=number_format.lowest * scale,
        largest=number_format.largest * scale,
        smallest_normal=smallest[0],
        smallest_subnormal=smallest[1],
    )


def normal_sample(shape: str, seed: int) -> Values:
    """Return numbers of a normal distribution of spread 1, of the shape "ROWSxCOLUMNS"; raise ConfigError if it is none."""
    parts = shape.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--normal {shape}: give rows and columns, such as 512x512")
    rows, columns = map(int, parts)
    if rows * columns > MAX_VALUES:
        raise ConfigError(
            f"--normal {shape}: {rows * columns:,} numbers, at most {MAX_VALUES:,} are drawn; the errors are the same with fewer"
        )
    return np.random.default_rng(seed).standard_normal((rows, columns))


def store_tensor(
    values: Values, name: str, total_rows: int, formats: Sequence[NumberFormat], group_size: int = GROUP_SIZE
) -> StoredTensor:
    """Return the errors of a tensor (rows x columns, finite) in the formats by every sensible scaling."""
    _check_group_size(group_size)
    rows, columns = values.shape
    projections = tuple(project_all(values, list(formats), group_size))
    return StoredTensor(name, rows, columns, total_rows, float(np.abs(values).max()), float(values.std()), projections)


def read_params(params: float | None, model: str | None) -> int | None:
    """Return the number of weights that was said, or that of a published model; None if neither was said."""
    if params is not None and model is not None:
        raise ConfigError(f"--params {params:g} and --model {model} both say how many weights there are; say one of them")
    if model is not None:
        return total_parameters(find_preset(model).config)
    if params is not None and not (math.isfinite(params) and params >= 1):
        raise ConfigError(f"--params {params:g}: a model has at least 1 weight; give a number such as 1e9")
    return None if params is None else round(params)


def store_model(params: int, formats: Sequence[NumberFormat], group_size: int = GROUP_SIZE) -> tuple[StoredModel, ...]:
    """Return the bytes of so many weights in each format, and with a scale a group where the format needs one."""
    _check_group_size(group_size)
    return tuple(_model(params, number_format, group_size) for number_format in formats)


def _model(params: int, number_format: NumberFormat, group_size: int) -> StoredModel:
    is_scaled = number_format.bits <= 8
    size = params * number_format.bytes
    scales = math.ceil(params / group_size) * SCALE_BYTES if is_scaled else 0
    return StoredModel(number_format.name, size, size + scales, group_size if is_scaled else None)


def _check_group_size(group_size: int) -> None:
    if group_size < 1:
        raise ConfigError(f"--group-size {group_size}: at least 1 value shares a scale")
