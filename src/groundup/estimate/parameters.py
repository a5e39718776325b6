"""How many parameters a model has, by component, from its settings alone."""

from groundup.nn.config import ModelConfig


def count_parameters(config: ModelConfig) -> dict[str, int]:
    """Return the exact parameters of each component; their sum is that of the real model (tests/estimate/test_parameters.py).

    A tied output head is the embedding itself, so its own count is 0. No projection has a bias.
    """
    dim, layers = config.dim, config.num_layers
    kv_dim = config.num_kv_heads * config.head_dim
    matrices = {"swiglu": 3, "gelu": 2}[config.feed_forward]
    vectors = {"rms": 1, "layer": 2}[config.norm]
    return {
        "embedding": config.vocab_size * dim,
        "head": 0 if config.tie_embeddings else config.vocab_size * dim,
        "attention": layers * 2 * (dim * dim + dim * kv_dim),
        "feed_forward": layers * matrices * dim * config.ffn_dim,
        "norms": (2 * layers + 1) * vectors * dim,
    }


def total_parameters(config: ModelConfig) -> int:
    """Return all parameters, the embedding once if tied."""
    return sum(count_parameters(config).values())


def matmul_parameters(config: ModelConfig) -> int:
    """Return the parameters that multiply every token: the output head counts, tied or not; the input look-up and norms do not."""
    counts = count_parameters(config)
    return counts["attention"] + counts["feed_forward"] + config.vocab_size * config.dim
