"""A GGUF file read: its metadata, and its model with numbers that are no longer quantised."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from groundup.core.config import nearest
from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.config import ModelConfig
from groundup.nn.formats.base import Format
from groundup.nn.gguf.header import check_header
from groundup.nn.gguf.layout import LAYOUTS
from groundup.nn.gguf.library import load_gguf

ARCHITECTURE: Final = "general.architecture"
_AGAIN = "fetch the file again"


@dataclass(frozen=True)
class GgufFile:
    """What a file holds; its tensors are still on disk."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, Any]
    """Name -> gguf.ReaderTensor."""


def open_gguf(path: Path) -> GgufFile:
    """Return the file's metadata and tensors; ArtifactError if it is damaged, MissingExtraError without the package gguf."""
    check_header(path)
    gguf = load_gguf()
    try:
        reader = gguf.GGUFReader(path)
        metadata = {name: _plain(field.contents(), field.types, gguf) for name, field in reader.fields.items()}
        tensors = {tensor.name: tensor for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ArtifactError(f"{path}: damaged or not a GGUF file ({' '.join(str(error).split())}); {_AGAIN}") from None
    return GgufFile(path, metadata, tensors)


def read_gguf(file: GgufFile) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Return the model: its settings, and its weights under our names; F16 and BF16 stay so, quantised numbers become float32.

    Raises ConfigError for an architecture or a setting that we lack, ArtifactError that names the tensor for damage.
    """
    layout = find_layout(file)
    wide = file.tensors.get("token_embd.weight")
    rows = {} if wide is None else {f"{layout.model_type}.vocab_size": int(wide.shape[-1])}
    held: dict[str, Any] = {name: True for name in ("output.weight", "blk.0.ffn_down.bias") if name in file.tensors}
    try:
        config = layout.read_config({**file.metadata, **rows, **held})
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {error}") from None
    try:
        return config, layout.to_ours({name: dequantised(tensor, file.path) for name, tensor in file.tensors.items()}, config)
    except ArtifactError as error:
        raise ArtifactError(f"{file.path}: {error}; {_AGAIN}") from None


def find_layout(file: GgufFile) -> Format:
    """Return how the file names what it holds; ConfigError with the known architectures if we lack its own."""
    name = file.metadata.get(ARCHITECTURE)
    if not isinstance(name, str) or name not in LAYOUTS:
        hint = nearest(name, list(LAYOUTS)) if isinstance(name, str) else f"known: {', '.join(LAYOUTS)}"
        raise ConfigError(f"{file.path}: groundup reads no GGUF files of {ARCHITECTURE}={name!r}; {hint}")
    return LAYOUTS[name]


def dequantised(tensor: Any, path: Path) -> Tensor:
    """Return the numbers of a tensor; ConfigError for a kind of quantisation that the package gguf cannot undo."""
    gguf = load_gguf()
    kinds = gguf.GGMLQuantizationType
    if tensor.tensor_type == kinds.BF16:
        return torch.from_numpy(tensor.data.view(np.int16).copy()).view(torch.bfloat16)
    if tensor.tensor_type in (kinds.F32, kinds.F16):
        return torch.from_numpy(tensor.data.copy())
    try:
        return torch.from_numpy(np.ascontiguousarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
    except (NotImplementedError, ValueError) as error:
        raise ConfigError(f"{path}: tensor '{tensor.name}' is {tensor.tensor_type.name}, which is not read ({error})") from None


def _plain(value: Any, types: list[Any], gguf: Any) -> Any:
    """Return a number as the shortest decimal that float32 rounds to it: 1e-05, not 9.999999747378752e-06."""
    if types == [gguf.GGUFValueType.FLOAT32]:
        return float(str(np.float32(value)))
    return value
