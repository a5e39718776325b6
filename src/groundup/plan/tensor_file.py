"""A tensor of a file, as rows of float64."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from groundup.core.config import nearest
from groundup.core.errors import ConfigError, DataError
from groundup.core.files import storage_errors
from groundup.estimate.formats.base import Values


def read_tensor(path: Path, name: str | None, max_values: int) -> tuple[str, Values, int]:
    """Return the tensor's name, its first rows (the last dimension is a row) of at most `max_values`, and how many it has.

    Reads .npy (never a pickle), and of .safetensors the tensor `name`, without a name the largest with two dimensions or more.
    Raises DataError for what is no such file, not numbers, empty or not finite, ConfigError for an unknown name.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; --tensor takes a .npy or .safetensors file")
    if path.suffix == ".npy":
        if name is not None:
            raise ConfigError(f"--name {name}: no effect, as a .npy file holds one tensor; leave it out")
        label, found, rows = _of_npy(path, max_values)
    elif path.suffix == ".safetensors":
        label, found, rows = _of_safetensors(path, name, max_values)
    else:
        raise DataError(f"{path}: --tensor takes a .npy or .safetensors file; numpy.save or safetensors' save_file make one")
    _check_finite(found, f"{path}: {label}")
    return label, found, rows


def _of_npy(path: Path, max_values: int) -> tuple[str, Values, int]:
    try:
        with storage_errors(path):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: not a .npy file of numbers ({error}); files of Python objects are not opened") from None
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: holds {array.dtype}, not real numbers")
    _check_shape(path, path.name, array.shape)
    table = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    return path.name, np.asarray(_first(table, max_values), np.float64), len(table)


def _of_safetensors(path: Path, name: str | None, max_values: int) -> tuple[str, Values, int]:
    try:
        with storage_errors(path), safe_open(path, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  not a dictionary
            chosen = _choose(path, shapes, name)
            _check_shape(path, chosen, shapes[chosen])
            tensor = file.get_tensor(chosen)
    except SafetensorError as error:
        raise DataError(f"{path}: not a whole safetensors file ({error})") from None
    if tensor.dtype == torch.bool or tensor.is_complex():
        raise DataError(f"{path}: {chosen} holds {tensor.dtype}, not real numbers")
    table = tensor.reshape(-1, tensor.shape[-1] if tensor.ndim else 1)
    return chosen, _first(table, max_values).double().numpy(), len(table)


def _choose(path: Path, shapes: dict[str, tuple[int, ...]], name: str | None) -> str:
    if name is not None and name not in shapes:
        raise ConfigError(f"{path}: holds no tensor '{name}'; {nearest(name, list(shapes)) if shapes else 'it holds none'}")
    if not shapes:
        raise DataError(f"{path}: holds no tensor")
    return name or max(shapes, key=lambda key: (len(shapes[key]) > 1, np.prod(shapes[key], dtype=np.int64)))


def _check_shape(path: Path, name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise DataError(f"{path}: {name} is empty (shape {'x'.join(map(str, shape))}); give a tensor with values")


def _first(table: Any, max_values: int) -> Any:
    """Return the first rows of at most `max_values` together, and of one too long row its begin."""
    return table[: max(1, max_values // table.shape[1]), :max_values]


def _check_finite(values: Values, where: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(axis[0]) for axis in np.nonzero(bad))
        counts = f"{int(np.isnan(values).sum()):,} NaN and {int(np.isinf(values).sum()):,} infinite"
        raise DataError(
            f"{where}: {counts} of {values.size:,} values, the first at row {row}, column {column}; no scale fits them, and errors "
            "of them are no numbers: find where they come from, or save the tensor without them"
        )
