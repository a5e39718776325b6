"""The parameters of a model tensor by tensor, from its settings alone."""

from typing import NamedTuple

from groundup.estimate.parameters import NORM_VECTORS, count_layers, num_norms
from groundup.nn.config import GATED, ModelConfig
from groundup.train.optim.config import Role


class Tensors(NamedTuple):
    """Parameters that are alike."""

    role: Role
    shape: tuple[int, ...]
    number: int


def parameter_tensors(config: ModelConfig) -> list[Tensors]:
    """Return all parameters, with roles and shapes of the real model's (tests/estimate/test_tensors.py)."""
    stacks, layers, attentions = count_layers(config)
    return [
        Tensors("embeddings", (config.vocab_size, config.dim), 1),
        Tensors("embeddings", (config.segments, config.dim), 1 if config.segments else 0),
        Tensors("embeddings", (config.max_seq_len, config.dim), stacks if config.position == "learned" else 0),
        Tensors("embeddings", (config.t5_buckets, config.num_heads), stacks if config.position == "t5_bias" else 0),
        *_attention(config, attentions),
        *_feed_forward(config, layers),
        *_norm(config, config.dim, num_norms(config)),
        *_head(config),
    ]


def _attention(config: ModelConfig, count: int) -> list[Tensors]:
    dim, inner, kv = config.dim, config.inner_dim, config.kv_dim
    linears = [((inner, dim), count), ((kv, dim), 2 * count), ((dim, inner), count)]
    of_distances = count if config.position == "transformer_xl" else 0
    scores = [Tensors("matrices", (inner, dim), of_distances), Tensors("biases", (inner,), 2 * of_distances)]
    return [*_linears(config, linears), *scores, *_norm(config, config.head_dim, 2 * count if config.qk_norm else 0)]


def _feed_forward(config: ModelConfig, count: int) -> list[Tensors]:
    widening = 2 if config.feed_forward in GATED else 1
    return _linears(config, [((config.ffn_dim, config.dim), widening * count), ((config.dim, config.ffn_dim), count)])


def _linears(config: ModelConfig, linears: list[tuple[tuple[int, int], int]]) -> list[Tensors]:
    matrices = [Tensors("matrices", shape, count) for shape, count in linears]
    biases = [Tensors("biases", shape[:1], count if config.bias else 0) for shape, count in linears]
    return matrices + biases


def _norm(config: ModelConfig, width: int, count: int) -> list[Tensors]:
    vectors = NORM_VECTORS[config.norm]
    return [Tensors("norms", (width,), count if vectors else 0), Tensors("biases", (width,), count if vectors == 2 else 0)]


def _head(config: ModelConfig) -> list[Tensors]:
    dim, vocab = config.dim, config.vocab_size
    transforms = int(config.head_transform)
    return [
        Tensors("head", (vocab, dim), 0 if config.tie_embeddings else 1),
        Tensors("biases", (vocab,), int(config.head_bias)),
        Tensors("head", (dim, dim), transforms),
        Tensors("biases", (dim,), transforms),
        *_norm(config, dim, transforms),
    ]
