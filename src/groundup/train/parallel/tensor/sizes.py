"""Which models can be shared out among how many tensor-parallel ranks."""

import math

from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig

_SHARED = ("num_heads", "num_kv_heads", "ffn_dim", "max_seq_len")
"""What every rank has an equal part of."""


def check_tensor(model: ModelConfig, tp: int) -> None:
    """Raise ConfigError if the model's heads, widths, length or vocabulary cannot be shared out, with the nearest tp that can.

    Rows of the vocabulary may be shared unevenly, but each rank needs some.
    """
    uneven = [f"model.{key}={getattr(model, key):,}" for key in _SHARED if getattr(model, key) % tp]
    if not uneven and _gives_rows_to_all(model.vocab_size, tp):
        return
    both = " and ".join(uneven) if uneven else f"model.vocab_size={model.vocab_size:,}"
    why = "does not divide" if uneven else "leaves a rank without rows of"
    common = math.gcd(*(getattr(model, key) for key in _SHARED))
    near = max(size for size in range(1, tp) if common % size == 0 and _gives_rows_to_all(model.vocab_size, size))
    raise ConfigError(f"parallel.tp={tp} {why} {both}; the nearest below that fits is parallel.tp={near}")


def vocabulary_rows(vocab_size: int, tp: int) -> int:
    """Return the rows of each rank; the last one may have fewer."""
    return -(-vocab_size // tp)


def _gives_rows_to_all(vocab_size: int, tp: int) -> bool:
    return vocabulary_rows(vocab_size, tp) * (tp - 1) < vocab_size
