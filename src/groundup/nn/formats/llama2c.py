"""The binary format of llama2.c (Karpathy 2023), version 0, in float32."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import storage_errors
from groundup.nn.config import ModelConfig
from groundup.nn.positions.rotary import rotary_table
from groundup.nn.tensors import our_shapes

HEADER: Final = struct.Struct("<7i")
LATER_MAGIC: Final = 0x616B3432
"""First number of the later versions of the format."""
MAX_HEADER: Final = 1 << 24
TABLE_ROUNDING: Final = 1e-3
"""Room for the angles of long texts, which float32 rounds; another base of the frequencies differs by far more."""
PER_BLOCK: Final = (
    "residual.norms.0.weight",
    "attention.query.weight",
    "attention.key.weight",
    "attention.value.weight",
    "attention.output.weight",
    "residual.norms.1.weight",
    "feed_forward.gate.weight",
    "feed_forward.down.weight",
    "feed_forward.up.weight",
)
"""Tensors of blocks in the order of the file: each of all blocks, then the next."""


def read_llama2c(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Return settings and weights of the model in the file, in float32; its dims turn in neighbouring pairs.

    The file is seven numbers (dim, feed-forward width, layers, heads, key/value heads, vocabulary, negative if the head is a matrix
    of its own, length), then the tensors without names: its size must be exactly what they take. Raises ArtifactError if not.
    """
    config = read_header(path)
    shapes = {name: tensor.shape for name, tensor in our_shapes(config).items()}
    table = config.max_seq_len * config.head_dim  # cosines and sines of the angles
    wanted = HEADER.size + 4 * (table + sum(shape.numel() for shape in shapes.values()))
    with storage_errors(path):
        size = path.stat().st_size
        if size != wanted:
            raise ArtifactError(f"{path}: {size:,} bytes, its header asks for {wanted:,}; fetch the file again")
        numbers = torch.from_numpy(np.fromfile(path, dtype="<f4", offset=HEADER.size))
    found: dict[str, Tensor] = {}
    start = 0
    for name in file_order(config):
        length = table if name == "" else shapes[name].numel()
        piece, start = numbers[start : start + length], start + length
        if name:
            found[name] = piece.view(shapes[name])
        else:
            _check_table(piece, config, path)
    return config, {name: found[name] for name in shapes}


def read_header(path: Path) -> ModelConfig:
    """Return the settings; ArtifactError if the first numbers cannot be those of a model."""
    with storage_errors(path), path.open("rb") as file:
        head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        raise ArtifactError(f"{path}: too short for a llama2.c file; fetch it again")
    dim, ffn_dim, layers, heads, kv_heads, vocab, length = HEADER.unpack(head)
    if dim == LATER_MAGIC:
        raise ArtifactError(f"{path}: a later version of the llama2.c format; groundup reads version 0 (export.py --version 0)")
    if max(dim, ffn_dim, layers, heads, kv_heads, abs(vocab), length) > MAX_HEADER:
        raise ArtifactError(f"{path}: not a llama2.c file: no model has the sizes {HEADER.unpack(head)}")
    settings = {
        "rope_pairs": "neighbours",
        "tie_embeddings": vocab > 0,
        "vocab_size": abs(vocab),
        "dim": dim,
        "num_layers": layers,
        "num_heads": heads,
        "num_kv_heads": kv_heads,
        "ffn_dim": ffn_dim,
        "max_seq_len": length,
    }
    try:
        return ModelConfig.parse(settings, str(path))
    except ConfigError as error:
        raise ArtifactError(f"not a llama2.c file, or a damaged one: {error}") from None


def file_order(config: ModelConfig) -> Iterator[str]:
    """Yield the names of our tensors in the order of the file; the empty one stands for the table of angles."""
    yield "embedding.weight"
    for part in PER_BLOCK:
        for number in range(config.num_layers):
            yield f"decoder.blocks.{number}.{part}"
    yield "decoder.norm.weight"
    yield ""
    if not config.tie_embeddings:
        yield "head.output.weight"


def _check_table(piece: Tensor, config: ModelConfig, path: Path) -> None:
    """Raise ArtifactError if the angles are others than ours."""
    ours = torch.cat([table.flatten() for table in rotary_table(config)])
    if not torch.allclose(piece, ours, rtol=0, atol=TABLE_ROUNDING):
        raise ArtifactError(f"{path}: its rotary angles are not those of rope_theta={config.rope_theta:g}, which groundup reads")
