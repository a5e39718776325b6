"""A model written as a GGUF file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from groundup.core.errors import ConfigError
from groundup.core.files import storage_errors
from groundup.nn.config import GgufTypeName, ModelConfig
from groundup.nn.formats.base import Format
from groundup.nn.gguf.layout import LAYOUTS
from groundup.nn.gguf.library import load_gguf

FILE_TYPES: Final[dict[GgufTypeName, int]] = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "bf16": 32}
"""general.file_type of each, as llama.cpp counts them."""
TABLES: Final = ("token_embd.weight", "output.weight")
"""Kept at 8 bits in files of 4: what is lost there is lost for every token."""
BLOCK_WEIGHTS: Final = 32
"""Numbers that share a scale in Q8_0 and Q4_0; rows must be whole blocks."""
VERSION: Final = 2
"""general.quantization_version of llama.cpp's current kernels."""


def check_gguf(config: ModelConfig) -> None:
    """Raise ConfigError with what keeps the model out of GGUF files, if something does."""
    layout_for(config)


def layout_for(config: ModelConfig) -> Format:
    """Return the first layout that can hold the model; ConfigError with what keeps it out of the nearest one if there is none."""
    misfits = {name: layout.misfits(config) for name, layout in LAYOUTS.items()}
    name = min(misfits, key=lambda name: len(misfits[name]))
    if misfits[name]:
        raise ConfigError(
            f"GGUF files are written of models in the layout of {' or '.join(LAYOUTS)}, and this is none: "
            f"{'; '.join(misfits[name])}. Change those settings, or take export.format=hf"
        )
    return LAYOUTS[name]


def kind_of(name: str, shape: tuple[int, ...], chosen: GgufTypeName) -> GgufTypeName:
    """Return how a tensor is written in a file of the chosen type.

    Vectors stay float32, tables of 4-bit files have 8, and rows that are no whole blocks are float16.
    """
    if len(shape) == 1:
        return "f32"
    quantised = "q8_0" if chosen == "q4_0" and name in TABLES else chosen
    return "f16" if quantised in ("q8_0", "q4_0") and shape[-1] % BLOCK_WEIGHTS else quantised


def write_gguf(
    path: Path, config: ModelConfig, weights: Mapping[str, Tensor], metadata: Mapping[str, Any], chosen: GgufTypeName
) -> None:
    """Write the model, with its numbers rounded, and the metadata; ConfigError if GGUF cannot hold it."""
    gguf, layout = load_gguf(), layout_for(config)
    writer = gguf.GGUFWriter(path, layout.model_type)
    general = {"general.file_type": FILE_TYPES[chosen], "general.quantization_version": VERSION}
    for key, value in {**general, **metadata, **layout.keys(config)}.items():
        writer.add_key_value(key, value, *_value_type(value, gguf))
    for name, tensor in layout.to_theirs(weights, config).items():
        kind, data = rounded(name, tensor, chosen)
        writer.add_tensor(name, data, raw_dtype=kind)
    with storage_errors(path):
        try:
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def rounded(name: str, tensor: Tensor, chosen: GgufTypeName) -> tuple[Any, Any]:
    """Return how one of their tensors is written (gguf.GGMLQuantizationType), and its numbers as they lie in the file."""
    gguf = load_gguf()
    kind = gguf.GGMLQuantizationType[kind_of(name, tuple(tensor.shape), chosen).upper()]
    return kind, gguf.quants.quantize(tensor.detach().float().cpu().numpy(), kind)


def rounded_weights(config: ModelConfig, weights: Mapping[str, Tensor], chosen: GgufTypeName) -> dict[str, Tensor]:
    """Return our weights as they are once rounded, in float32."""
    gguf, layout = load_gguf(), layout_for(config)
    kept = {}
    for name, tensor in layout.to_theirs(weights, config).items():
        kind, data = rounded(name, tensor, chosen)
        kept[name] = torch.from_numpy(np.array(gguf.quants.dequantize(data, kind), dtype=np.float32))
    return layout.to_ours(kept, config)


def _value_type(value: Any, gguf: Any) -> tuple[Any, ...]:
    """Return GGUF's type of a value, and of its items."""
    types = gguf.GGUFValueType
    names = {bool: types.BOOL, int: types.UINT32, float: types.FLOAT32, str: types.STRING}
    if not isinstance(value, list):
        return (names[type(value)],)
    return types.ARRAY, types.INT32 if isinstance(value[0], int) else names[type(value[0])]
