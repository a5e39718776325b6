"""The decoder-only transformer."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup.nn.attention import Context
from groundup.nn.block import Block
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig
from groundup.nn.init import init_weights
from groundup.nn.kernels import ATTENTION, KernelName
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.precision import compute_dtype


class Transformer(nn.Module):
    """Embedding, pre-norm blocks, a final norm and a linear head, without biases in any projection.

    The residual stream stays in the dtype of the weights; under autocast the products, keys and values are in autocast's.
    """

    def __init__(self, config: ModelConfig, attention: KernelName = "sdpa") -> None:
        super().__init__()
        self.config = config
        self.kernel = ATTENTION[attention]()
        self.position = POSITIONS[config.position](config)
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(Block(config, self.kernel) for _ in range(config.num_layers))
        self.norm = NORMS[config.norm](config.dim, config.norm_eps)
        self.head = None if config.tie_embeddings else nn.Linear(config.dim, config.vocab_size, bias=False)

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the initial weights; the generator's device must be that of the weights."""
        init_weights(self, self.config, generator)

    @property
    def head_weight(self) -> Float[Tensor, "vocab dim"]:
        """The matrix that turns the trunk's vectors into logits: the embedding itself if tied."""
        return (self.head or self.embedding).weight

    def trunk(
        self,
        tokens: Int[Tensor, "batch seq"],
        document_ids: Int[Tensor, "batch seq"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq dim"]:
        """Return the normalised vector of each token, from which its successor is predicted.

        Attention is causal, and within equal `document_ids` if they are given. With a cache, `tokens` follow those it holds.
        """
        start, length = cache.length if cache is not None else 0, tokens.shape[1]
        assert start + length <= self.config.max_seq_len, f"{start + length} tokens, max_seq_len={self.config.max_seq_len}"
        hidden = self.embedding(tokens)
        dtype = compute_dtype(hidden)
        mask = self.kernel.mask(document_ids, start, length, dtype, hidden.device)
        context = Context(self.position.at(start, length, dtype), mask)
        layer_caches = cache.layers if cache is not None else [None] * len(self.blocks)
        for block, layer_cache in zip(self.blocks, layer_caches, strict=True):
            hidden = block(hidden, context, layer_cache)
        return self.norm(hidden)  # type: ignore[no-any-return]

    def forward(
        self,
        tokens: Int[Tensor, "batch seq"],
        document_ids: Int[Tensor, "batch seq"] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch seq vocab"]:
        """Return the logits of each token's successor."""
        return F.linear(self.trunk(tokens, document_ids, cache), self.head_weight)
