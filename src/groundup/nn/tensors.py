"""The tensors of a model on disk: read, and held against those that its settings ask for."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model


class _Undrawn(TorchFunctionMode):
    """Draw no first weights."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)


@contextlib.contextmanager
def without_numbers() -> Iterator[None]:
    """Let tensors that are made have shapes alone; to draw the numbers that they have not, torch would load its compiler."""
    with torch.device("meta"), _Undrawn():
        yield


def our_shapes(config: ModelConfig) -> dict[str, Tensor]:
    """Return our state dict with tensors that have shapes and no numbers; nothing that grows with the settings is made."""
    if config.position != "learned":  # tables of constants are made for real, and no weight depends on their length
        config = config.model_copy(update={"max_seq_len": 1})
    with without_numbers():
        return dict(build_model(config).state_dict())


def read_tensors(file: Path, way_out: str) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file, on the CPU; ArtifactError that ends in `way_out` if it is damaged."""
    try:
        with storage_errors(file), safe_open(file, framework="pt") as weights:
            return {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise ArtifactError(f"{file}: damaged or not a safetensors file ({error}); {way_out}") from None


def check_tensors(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], settings: str = "config.json") -> None:
    """Raise ArtifactError that names the first tensor that is missing, unknown, or has another shape or kind of number.

    `settings` names the file that asks for the tensors in `wanted`.
    """
    missing, extra = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    if missing:
        raise ArtifactError(f"tensor '{missing[0]}' is missing ({len(missing)} in all)")
    if extra:
        raise ArtifactError(f"tensor '{extra[0]}' has no place in the model that {settings} describes ({len(extra)} in all)")
    for name, like in wanted.items():
        tensor = given[name]
        if tensor.shape != like.shape:
            raise ArtifactError(f"tensor '{name}' is {list(tensor.shape)}, {settings} asks for {list(like.shape)}")
        if not tensor.is_floating_point():
            raise ArtifactError(f"tensor '{name}' holds {tensor.dtype}, expected floating-point numbers")
