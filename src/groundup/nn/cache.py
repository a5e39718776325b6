"""The keys and values of tokens already seen, so that decoding computes each token once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.nn.config import ModelConfig

KeysValues = tuple[Tensor, Tensor]
"""Keys and values [batch, kv_heads, seq, head_dim]."""


class LayerCache:
    """Keys and values of one block, in memory allocated once."""

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> None:
        self._keys = torch.empty(shape, dtype=dtype, device=device)
        self._values = torch.empty(shape, dtype=dtype, device=device)
        self.length = 0
        self.source: KeysValues | None = None
        """Of the encoder's result, in a block that reads it."""

    def append(
        self, keys: Float[Tensor, "batch kv_heads new head_dim"], values: Float[Tensor, "batch kv_heads new head_dim"]
    ) -> tuple[Float[Tensor, "batch kv_heads key head_dim"], Float[Tensor, "batch kv_heads key head_dim"]]:
        """Store the new keys and values; return all so far."""
        end = self.length + keys.shape[2]
        assert end <= self._keys.shape[2], f"a cache of {self._keys.shape[2]} tokens was given {end}"
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def choose(self, rows: Int[Tensor, " new_batch"]) -> None:
        """Hold these rows, in this order."""
        self._keys, self._values = self._keys[rows], self._values[rows]
        if self.source is not None:
            self.source = (self.source[0][rows], self.source[1][rows])


class KVCache:
    """The caches of all blocks of a decoder; 2 * num_layers * batch * max_len * num_kv_heads * head_dim numbers."""

    def __init__(self, config: ModelConfig, batch: int, max_len: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (batch, config.num_kv_heads, max_len, config.head_dim)
        self.layers = [LayerCache(shape, dtype, device) for _ in range(config.num_layers)]
        self.document_ids: Int[Tensor, "batch seq"] | None = None
        """Of all tokens held, if they were given."""
        self.source_ids: Int[Tensor, "batch source"] | None = None

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    def choose(self, rows: Int[Tensor, " new_batch"]) -> None:
        """Hold these rows, in this order; a row may come several times."""
        for layer in self.layers:
            layer.choose(rows)
        self.document_ids = None if self.document_ids is None else self.document_ids[rows]
        self.source_ids = None if self.source_ids is None else self.source_ids[rows]
