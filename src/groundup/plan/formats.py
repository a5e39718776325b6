"""The question of `groundup plan formats`: a number, a tensor, a model, in which formats."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from groundup.core.errors import ConfigError
from groundup.estimate.formats import NumberFormat
from groundup.estimate.formats.scaling import GROUP_SIZE
from groundup.plan.numbers import (
    MAX_VALUES,
    Numbers,
    StoredTensor,
    normal_sample,
    read_formats,
    read_number,
    read_params,
    store_model,
    store_number,
    store_tensor,
)


def answer(
    value: float | str | None = None,
    formats: Sequence[str] | str | None = None,
    absmax: float | None = None,
    tensor: Path | None = None,
    name: str | None = None,
    normal: str | None = None,
    seed: int | None = None,
    group_size: int | None = None,
    params: float | None = None,
    model: str | None = None,
) -> Numbers:
    """Return how each format stores what is named; None is not said. Raises ConfigError where nothing is, or an option is idle."""
    asked = [asked is not None for asked in (value, tensor, normal, params, model)]
    if not any(asked):
        raise ConfigError("say what is stored: a VALUE, --tensor FILE, --normal ROWSxCOLUMNS, --params N or --model NAME")
    idle = {
        "--absmax": absmax is not None and value is None,
        "--name": name is not None and tensor is None,
        "--seed": seed is not None and normal is None,
        "--group-size": group_size is not None and not any(asked[1:]),
    }
    for option, is_idle in idle.items():
        if is_idle:
            raise ConfigError(f"{option}: no effect on what is asked; leave it out")
    chosen = read_formats(formats)
    number = None if value is None else read_number(value)
    size = GROUP_SIZE if group_size is None else group_size
    count = read_params(params, model)
    return Numbers(
        value=number,
        formats=() if number is None else store_number(number, chosen, absmax),
        tensor=_tensor(tensor, name, normal, seed or 0, chosen, size),
        params=count,
        memory=() if count is None else store_model(count, chosen, size),
    )


def _tensor(
    path: Path | None, name: str | None, normal: str | None, seed: int, formats: list[NumberFormat], group_size: int
) -> StoredTensor | None:
    if path is not None and normal is not None:
        raise ConfigError("--tensor and --normal both say which tensor is stored; say one of them")
    if path is not None:
        reader = importlib.import_module("groundup.plan.tensor_file")  # torch loads for a file alone
        label, values, rows = reader.read_tensor(path, name, MAX_VALUES)
        return store_tensor(values, label, rows, formats, group_size)
    if normal is not None:
        values = normal_sample(normal, seed)
        return store_tensor(values, f"normal numbers (seed {seed})", len(values), formats, group_size)
    return None
