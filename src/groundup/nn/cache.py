"""The keys and values of tokens already seen, so that decoding computes each token once."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.nn.config import ModelConfig

KeysValues = tuple[Tensor, Tensor]
"""Keys and values [batch, kv_heads, seq, head_dim]."""


class LayerCache(ABC):
    """Keys and values of one block, in memory allocated once."""

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> None:
        self._keys = torch.empty(shape, dtype=dtype, device=device)
        self._values = torch.empty(shape, dtype=dtype, device=device)
        self.dtype = dtype
        self.length = 0
        """Tokens seen."""
        self.source: KeysValues | None = None
        """Of the encoder's result, in a block that reads it."""

    @property
    @abstractmethod
    def held(self) -> int:
        """The last of the tokens seen that the next ones may look at."""

    @abstractmethod
    def append(
        self, keys: Float[Tensor, "batch kv_heads new head_dim"], values: Float[Tensor, "batch kv_heads new head_dim"]
    ) -> tuple[Float[Tensor, "batch kv_heads key head_dim"], Float[Tensor, "batch kv_heads key head_dim"]]:
        """Store the new keys and values; return those held before with them, in the cache's dtype."""

    def remember(self, source: KeysValues) -> KeysValues:
        """Store the keys and values of a source; return them in the cache's dtype."""
        keys, values = source
        self.source = keys.to(self.dtype), values.to(self.dtype)
        return self.source

    def choose(self, rows: Int[Tensor, " new_batch"]) -> None:
        """Hold these rows, in this order."""
        self._keys, self._values = self._keys[rows], self._values[rows]
        if self.source is not None:
            self.source = (self.source[0][rows], self.source[1][rows])

    def _write(self, keys: Tensor, values: Tensor, start: int) -> int:
        """Put keys and values at a place of the memory; return where they end."""
        end = start + keys.shape[2]
        assert end <= self._keys.shape[2], f"a cache of {self._keys.shape[2]} tokens was given {end}"
        self._keys[:, :, start:end] = keys
        self._values[:, :, start:end] = values
        return end


class AllTokens(LayerCache):
    """A cache that holds every token seen."""

    @property
    def held(self) -> int:
        return self.length

    def append(self, keys: Tensor, values: Tensor) -> KeysValues:
        self.length = self._write(keys, values, self.length)
        return self._keys[:, :, : self.length], self._values[:, :, : self.length]


class LastTokens(LayerCache):
    """A cache that holds the last tokens alone: `reach`, one fewer than the window, which counts the query itself.

    The memory has room for two windows, so that what is held moves to its beginning only once a window.
    """

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device, window: int) -> None:
        batch, heads, max_len, head_dim = shape
        super().__init__((batch, heads, min(max_len, 2 * window), head_dim), dtype, device)
        self._reach = window - 1
        self._end = 0

    @property
    def held(self) -> int:
        return min(self.length, self._reach)

    def append(self, keys: Tensor, values: Tensor) -> KeysValues:
        start, end = self._end - self.held, self._end + keys.shape[2]
        if end <= self._keys.shape[2]:
            self._end = self._write(keys, values, self._end)
            self.length += keys.shape[2]
            return self._keys[:, :, start:end], self._values[:, :, start:end]
        keys = torch.cat((self._keys[:, :, start : self._end], keys.to(self.dtype)), dim=2)
        values = torch.cat((self._values[:, :, start : self._end], values.to(self.dtype)), dim=2)
        self.length += end - self._end
        first = keys.shape[2] - self.held
        self._end = self._write(keys[:, :, first:], values[:, :, first:], 0)
        return keys, values


class KVCache:
    """The caches of all blocks of a decoder; 2 * num_layers * batch * max_len * num_kv_heads * head_dim numbers.

    With a sliding window at most two windows take the place of max_len. Attention is computed in the cache's dtype.
    """

    def __init__(self, config: ModelConfig, batch: int, max_len: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (batch, config.num_kv_heads, max_len, config.head_dim)
        self.dtype = dtype
        self.layers = [_layer_cache(config, shape, dtype, device) for _ in range(config.num_layers)]
        self.document_ids: Int[Tensor, "batch seq"] | None = None
        """Of all tokens seen, if they were given."""
        self.source_ids: Int[Tensor, "batch source"] | None = None

    @property
    def length(self) -> int:
        """Tokens seen."""
        return self.layers[0].length

    @property
    def first_key(self) -> int:
        """Place of the first token that the next ones may look at."""
        return self.length - self.layers[0].held

    def choose(self, rows: Int[Tensor, " new_batch"]) -> None:
        """Hold these rows, in this order; a row may come several times."""
        for layer in self.layers:
            layer.choose(rows)
        self.document_ids = None if self.document_ids is None else self.document_ids[rows]
        self.source_ids = None if self.source_ids is None else self.source_ids[rows]


def _layer_cache(config: ModelConfig, shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> LayerCache:
    if config.window is None:
        return AllTokens(shape, dtype, device)
    return LastTokens(shape, dtype, device, config.window)
