"""The transformer, in the shapes that the field trains."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup.core.errors import ConfigError
from groundup.nn.attention import KernelName
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig, ShapeName
from groundup.nn.head import Head, Scale
from groundup.nn.init import init_weights
from groundup.nn.stack import ReadingStack, Stack
from groundup.nn.view import view_itself, view_source


@dataclass(frozen=True)
class Inputs:
    """What a model reads in one pass."""

    tokens: Int[Tensor, "batch seq"]
    document_ids: Int[Tensor, "batch seq"] | None = None
    """Tokens see those of equal ids alone; padding is a document of its own. None: each row is one document."""
    prefix: Bool[Tensor, "batch seq"] | None = None
    """Tokens that all of their document see, of a prefix_decoder."""
    segments: Int[Tensor, "batch seq"] | None = None
    """Kind of each token's segment; None: all of kind 0."""
    source: "Inputs | None" = None
    """What the encoder of an encoder_decoder reads; None once a cache remembers it."""

    def to(self, device: torch.device) -> "Inputs":
        """Return the inputs on `device`."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def rows(self, start: int, stop: int) -> "Inputs":
        """Return some of the rows."""
        taken: dict[str, Any] = {name: value[start:stop] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, source=None if self.source is None else self.source.rows(start, stop), **taken)


class Transformer(nn.Module, ABC):
    """Embedding, one or two stacks of blocks, and a linear head.

    The residual stream stays in the dtype of the weights; under autocast the products, keys and values are in autocast's.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.embedding_scale = Scale(config.dim**0.5) if config.embedding_scale else nn.Identity()
        self.segments = nn.Embedding(config.segments, config.dim) if config.segments else None
        self.head = Head(config, self.embedding)

    @abstractmethod
    def hidden(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq dim"]:
        """Return the last stack's vector of each token, normalised where the wiring asks for it.

        With a cache, the tokens follow those that it holds.
        """

    def trunk(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq dim"]:
        """Return the vectors that the head's matrix turns into logits."""
        return self.head.features(self.hidden(inputs, cache))  # type: ignore[no-any-return]

    def forward(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq vocab"]:
        """Return the logits: of each token's successor in decoders, of the token itself in encoders."""
        return self.head(self.hidden(inputs, cache))  # type: ignore[no-any-return]

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the initial weights; the generator's device must be that of the weights."""
        init_weights(self, self.config, generator)

    def embed(self, inputs: Inputs) -> Float[Tensor, "batch seq dim"]:
        """Return the embeddings of tokens and segments, without positions."""
        embedded: Tensor = self.embedding_scale(self.embedding(inputs.tokens))
        if self.segments is not None:
            kinds = inputs.segments if inputs.segments is not None else torch.zeros_like(inputs.tokens)
            embedded = embedded + self.segments(kinds)
        return embedded

    def check_length(self, length: int) -> None:
        """Raise ConfigError if the model has no positions for so many tokens."""
        if length > self.config.max_seq_len:
            raise ConfigError(
                f"{length:,} tokens are longer than the model's max_seq_len={self.config.max_seq_len:,}; shorten the input"
            )


class Decoder(Transformer):
    """Each token sees those before it, and, in a prefix decoder, all of the prefix."""

    def __init__(self, config: ModelConfig, attention: KernelName = "sdpa") -> None:
        super().__init__(config)
        self.decoder = Stack(config, config.num_layers, True, attention)

    def hidden(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq dim"]:
        start, length = cache.length if cache is not None else 0, inputs.tokens.shape[1]
        self.check_length(start + length)
        ids = seen_ids(inputs, cache)
        first_key = cache.first_key if cache is not None else 0
        view = view_itself(start, length, True, inputs.tokens.device, ids, inputs.prefix, first_key)
        return self.decoder(self.embed(inputs), view, cache)  # type: ignore[no-any-return]


class Encoder(Transformer):
    """Each token sees all others of its document."""

    def __init__(self, config: ModelConfig, attention: KernelName = "sdpa") -> None:
        super().__init__(config)
        self.encoder = Stack(config, config.num_layers, False, attention)

    def hidden(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq dim"]:
        assert cache is None, "an encoder sees all tokens at once"
        length = inputs.tokens.shape[1]
        self.check_length(length)
        view = view_itself(0, length, False, inputs.tokens.device, inputs.document_ids)
        return self.encoder(self.embed(inputs), view)  # type: ignore[no-any-return]


class EncoderDecoder(Transformer):
    """A decoder that reads what an encoder made of a source; documents are paired by equal ids."""

    def __init__(self, config: ModelConfig, attention: KernelName = "sdpa") -> None:
        super().__init__(config)
        self.encoder = Stack(config, config.num_encoder_layers, False, attention)
        self.decoder = ReadingStack(config, attention)

    def hidden(self, inputs: Inputs, cache: KVCache | None = None) -> Float[Tensor, "batch seq dim"]:
        start, (_, length) = cache.length if cache is not None else 0, inputs.tokens.shape
        self.check_length(start + length)
        device = inputs.tokens.device
        encoded = self.encode(inputs.source) if inputs.source is not None else None
        source_ids = inputs.source.document_ids if inputs.source is not None else None
        if cache is not None:
            source_ids = cache.source_ids if encoded is None else source_ids
            cache.source_ids = source_ids
        ids = seen_ids(inputs, cache)
        view = view_itself(start, length, True, device, ids, first_key=cache.first_key if cache is not None else 0)
        assert source_ids is None or ids is not None, "documents of a source are paired by ids: the decoder's tokens need theirs"
        source_len = encoded.shape[1] if encoded is not None else _remembered_len(cache)
        across = view_source(length, source_len, device, view.query_ids if source_ids is not None else None, source_ids)
        return self.decoder(self.embed(inputs), view, encoded, across, cache)  # type: ignore[no-any-return]

    def encode(self, source: Inputs) -> Float[Tensor, "batch source dim"]:
        """Return the encoder's result."""
        length = source.tokens.shape[1]
        self.check_length(length)
        view = view_itself(0, length, False, source.tokens.device, source.document_ids)
        return self.encoder(self.embed(source), view)  # type: ignore[no-any-return]


def seen_ids(inputs: Inputs, cache: KVCache | None) -> Int[Tensor, "batch total"] | None:
    """Return the document ids of the tokens in the cache and these, and remember them in the cache."""
    if cache is None or inputs.document_ids is None:
        return inputs.document_ids
    before = cache.document_ids
    assert before is not None or cache.length == 0, "ids are given from the first pass on, or never"
    cache.document_ids = inputs.document_ids if before is None else torch.cat((before, inputs.document_ids), dim=1)
    return cache.document_ids


def _remembered_len(cache: KVCache | None) -> int:
    assert cache is not None, "without a cache every pass brings the source"
    assert cache.layers[0].source is not None, "the first pass brings the source"
    return cache.layers[0].source[0].shape[2]


SHAPES: Final[dict[ShapeName, Callable[[ModelConfig, KernelName], Transformer]]] = {
    "decoder": Decoder,
    "prefix_decoder": Decoder,
    "encoder": Encoder,
    "encoder_decoder": EncoderDecoder,
}


def build_model(config: ModelConfig, attention: KernelName = "sdpa") -> Transformer:
    """Return the model that the config describes, its weights not drawn yet."""
    return SHAPES[config.shape](config, attention)
