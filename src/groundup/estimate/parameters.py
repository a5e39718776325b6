"""How many parameters a model has, by component, from its settings alone."""

from groundup.nn.config import GATED, ModelConfig, NormName, ResidualName

NORM_VECTORS: dict[NormName, int] = {"rms": 1, "layer": 2, "layer_no_bias": 1, "rms_plain": 0}
"""Vectors that each norm learns."""
BLOCK_NORMS: dict[ResidualName, int] = {"pre": 1, "post": 1, "sandwich": 2, "parallel": 1, "deepnorm": 1, "parallel_shared": 0}
"""Norms for each part of a block; parallel_shared has one for all parts together."""
UNNORMED_END: tuple[ResidualName, ...] = ("post", "deepnorm")
"""Wirings without a norm after the last block."""


def count_parameters(config: ModelConfig) -> dict[str, int]:
    """Return the exact parameters of each component; their sum is that of the real model (tests/estimate/test_parameters.py).

    A tied output head is the embedding itself, so its own count is only what it has beside the matrix.
    """
    stacks, layers, attentions = count_layers(config)
    return {
        "embedding": (config.vocab_size + config.segments) * config.dim,
        "positions": stacks * _positions(config),
        "attention": attentions * attention_parameters(config),
        "feed_forward": layers * feed_forward_parameters(config),
        "norms": num_norms(config) * NORM_VECTORS[config.norm] * config.dim,
        "head": _head(config),
    }


def total_parameters(config: ModelConfig) -> int:
    """Return all parameters, the embedding once if tied."""
    return sum(count_parameters(config).values())


def head_parameters(config: ModelConfig) -> int:
    """Return the parameters that multiply every predicted token: the output matrix, tied or not, and BERT's transform before it."""
    transform = config.dim * config.dim if config.head_transform else 0
    return config.vocab_size * config.dim + transform


def _positions(config: ModelConfig) -> int:
    return {"learned": config.max_seq_len * config.dim, "t5_bias": config.t5_buckets * config.num_heads}.get(config.position, 0)


def attention_parameters(config: ModelConfig) -> int:
    """Return the parameters of one attention."""
    matrices = 2 * config.dim * (config.inner_dim + config.kv_dim)
    biases = config.inner_dim + 2 * config.kv_dim + config.dim if config.bias else 0
    distances = (config.dim + 2) * config.inner_dim if config.position == "transformer_xl" else 0
    return matrices + biases + distances + (2 * NORM_VECTORS[config.norm] * config.head_dim if config.qk_norm else 0)


def feed_forward_parameters(config: ModelConfig) -> int:
    """Return the parameters of one feed-forward layer."""
    widening = 2 if config.feed_forward in GATED else 1
    biases = widening * config.ffn_dim + config.dim if config.bias else 0
    return (widening + 1) * config.dim * config.ffn_dim + biases


def count_layers(config: ModelConfig) -> tuple[int, int, int]:
    """Return how many stacks, feed-forward layers and attentions, cross-attentions included, the model has."""
    layers = config.num_layers + config.num_encoder_layers
    return (2, layers, layers + config.num_layers) if config.num_encoder_layers else (1, layers, layers)


def num_norms(config: ModelConfig) -> int:
    """Return how many norms of the residual stream the model has, the head's own aside."""
    stacks, layers, attentions = count_layers(config)
    parts = layers + attentions
    shared = layers if config.residual == "parallel_shared" else 0
    ends = 0 if config.residual in UNNORMED_END else stacks
    return BLOCK_NORMS[config.residual] * parts + shared + ends + (stacks if config.embedding_norm else 0)


def _head(config: ModelConfig) -> int:
    transform = config.dim * (config.dim + 1 + NORM_VECTORS[config.norm]) if config.head_transform else 0
    bias = config.vocab_size if config.head_bias else 0
    return transform + bias + (0 if config.tie_embeddings else config.vocab_size * config.dim)
