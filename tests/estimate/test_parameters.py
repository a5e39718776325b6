import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from groundup.estimate.parameters import (
    BLOCK_NORMS,
    NORM_VECTORS,
    UNNORMED_END,
    attention_parameters,
    count_parameters,
    feed_forward_parameters,
    total_parameters,
)
from groundup.nn.config import ModelConfig
from groundup.nn.feedforward import FEED_FORWARD
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.residual import FINAL_NORM, RESIDUALS
from groundup.nn.transformer import build_model

CHOICES = st.fixed_dictionaries(
    {
        "norm": st.sampled_from(list(NORMS)),
        "residual": st.sampled_from(list(RESIDUALS)),
        "feed_forward": st.sampled_from(list(FEED_FORWARD)),
        "position": st.sampled_from(list(POSITIONS)),
        "num_kv_heads": st.sampled_from([1, 2, 4]),
        "head_dim": st.sampled_from([8, 12]),
        "num_layers": st.integers(1, 3),
        **{name: st.booleans() for name in ("tie_embeddings", "bias", "qk_norm", "embedding_norm", "head_bias", "head_transform")},
    }
)
SHAPES = st.sampled_from(
    [
        {},
        {"shape": "encoder", "segments": 2},
        {"shape": "encoder_decoder", "num_encoder_layers": 2},
        {"shape": "prefix_decoder"},
        {"attention": "performer"},
    ]
)


@settings(max_examples=60, deadline=None)
@given(CHOICES, SHAPES)
def test_count_equals_the_real_model(choices, shape):
    changes = {**choices, **shape}
    if not models.sensible(changes):
        return
    config = models.small_config(**changes)
    with torch.device("meta"):
        model = build_model(config)
    counts = count_parameters(config)
    assert total_parameters(config) == sum(parameter.numel() for parameter in model.parameters())
    assert sum(counts.values()) == total_parameters(config)
    layers = config.num_layers + config.num_encoder_layers
    attentions = layers + (config.num_layers if config.num_encoder_layers else 0)
    linears = sum(p.numel() for name, p in model.named_parameters() if "attention." in name or "feed_forward." in name)
    assert attentions * attention_parameters(config) + layers * feed_forward_parameters(config) == linears


def test_the_tables_hold_every_row():
    assert set(NORM_VECTORS) == set(NORMS)
    assert set(BLOCK_NORMS) == set(RESIDUALS)
    assert set(UNNORMED_END) == set(RESIDUALS) - set(FINAL_NORM)


def test_tied_head_costs_nothing():
    config = ModelConfig(vocab_size=100, dim=8, num_layers=1, num_heads=2, num_kv_heads=2, ffn_dim=16, max_seq_len=8)
    untied = config.model_copy(update={"tie_embeddings": False})
    assert count_parameters(config)["head"] == 0
    assert total_parameters(untied) - total_parameters(config) == 100 * 8


@pytest.mark.parametrize("segments", [0, 2])
def test_segments_are_rows_of_their_own(segments):
    config = models.small_config(shape="encoder", segments=segments)
    assert count_parameters(config)["embedding"] == (models.VOCAB + segments) * 32
