from itertools import product

import pytest
import torch

from groundup.estimate.parameters import count_parameters, total_parameters
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Transformer

GRID = list(product(["swiglu", "gelu"], ["rms", "layer"], ["rope", "none"], [True, False], [1, 2, 4]))


@pytest.mark.parametrize(("feed_forward", "norm", "position", "tied", "kv_heads"), GRID)
def test_count_equals_the_real_model(feed_forward, norm, position, tied, kv_heads):
    config = ModelConfig(
        vocab_size=977,
        dim=64,
        num_layers=3,
        num_heads=4,
        num_kv_heads=kv_heads,
        ffn_dim=176,
        max_seq_len=32,
        norm=norm,
        position=position,
        feed_forward=feed_forward,
        tie_embeddings=tied,
    )
    with torch.device("meta"):
        model = Transformer(config)
    assert total_parameters(config) == sum(parameter.numel() for parameter in model.parameters())
    assert sum(count_parameters(config).values()) == total_parameters(config)


def test_tied_head_costs_nothing():
    config = ModelConfig(vocab_size=100, dim=8, num_layers=1, num_heads=2, num_kv_heads=2, ffn_dim=16, max_seq_len=8)
    untied = config.model_copy(update={"tie_embeddings": False})
    assert count_parameters(config)["head"] == 0
    assert total_parameters(untied) - total_parameters(config) == 100 * 8
