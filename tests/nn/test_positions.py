"""Position encodings against `transformers`, and against what their papers say."""

import math

import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.nn.positions.alibi import alibi_slopes
from groundup.nn.positions.frequencies import rotary_frequencies
from groundup.nn.positions.rotary import rotary_table, turn_halves, turn_neighbours
from groundup.nn.positions.sinusoidal import BASE, waves
from groundup.nn.positions.t5 import buckets
from groundup.nn.transformer import Inputs
from groundup.nn.view import view_itself
from models import small_config, small_model, some_tokens

transformers = pytest.importorskip("transformers")

CPU = torch.device("cpu")
FLOAT32_ANGLES = 1e-5
"""Room for float32 powers taken in another order, on numbers up to 1."""
SCALINGS = {
    "none": ({}, {"rope_type": "default"}),
    "linear": ({"rope_factor": 4.0}, {"rope_type": "linear", "factor": 4.0}),
    "yarn": (
        {"rope_factor": 8.0, "rope_original_len": 256},
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 256},
    ),
    "llama3": (
        {"rope_factor": 8.0, "rope_original_len": 256},
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "original_max_position_embeddings": 256,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        },
    ),
}


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_rotary_tables_are_those_of_transformers(scaling, theta):
    changes, parameters = SCALINGS[scaling]
    config = small_config(dim=64, num_heads=4, max_seq_len=600, rope_theta=theta, rope_scaling=scaling, **changes)
    llama = transformers.LlamaConfig(
        hidden_size=64, num_attention_heads=4, max_position_embeddings=600, rope_parameters={**parameters, "rope_theta": theta}
    )
    rotary = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(llama)
    theirs = rotary(torch.zeros(1), torch.arange(600)[None])
    for ours, full in zip(rotary_table(config), theirs, strict=True):
        torch.testing.assert_close(torch.cat((ours, ours), -1), full[0], rtol=0, atol=30 * FLOAT32_ANGLES)  # angles up to 600


def test_ntk_keeps_the_fastest_pair_and_stretches_the_slowest_by_the_factor():
    plain, scaled = (
        rotary_frequencies(small_config(rope_scaling=name, **changes))[0]
        for name, changes in (("none", {}), ("ntk", {"rope_factor": 4.0}))
    )
    assert scaled[0] == plain[0]
    assert scaled[-1].item() == pytest.approx(plain[-1].item() / 4, rel=1e-5)
    assert ((plain / scaled).diff() > 0).all()


def test_yarn_keeps_what_turns_often_and_interpolates_what_does_not():
    config = small_config(dim=512, num_heads=4, rope_scaling="yarn", rope_factor=8.0, rope_original_len=4096)
    plain = rotary_frequencies(small_config(dim=512, num_heads=4))[0]
    scaled, size = rotary_frequencies(config)
    turns = 4096 * plain / (2 * math.pi)
    assert torch.equal(scaled[turns > 40], plain[turns > 40])
    torch.testing.assert_close(scaled[turns < 0.8], plain[turns < 0.8] / 8)
    assert size == pytest.approx(0.1 * math.log(8) + 1)


def test_the_two_pairings_are_one_turn_with_the_dims_in_another_order():
    x = torch.randn(2, 12, 3, 8)
    cos, sin = (table[:12, None] for table in rotary_table(small_config()))
    order = torch.arange(8).view(4, 2).T.flatten()  # 0 2 4 6 1 3 5 7
    torch.testing.assert_close(turn_neighbours(x, cos, sin)[..., order], turn_halves(x[..., order], cos, sin), rtol=0, atol=0)


def test_neighbours_turn_as_complex_numbers():
    x = torch.randn(2, 12, 3, 8)
    cos, sin = (table[:12, None] for table in rotary_table(small_config()))
    turned = torch.view_as_complex(x.view(2, 12, 3, 4, 2)) * torch.complex(cos, sin)
    torch.testing.assert_close(turn_neighbours(x, cos, sin), torch.view_as_real(turned).flatten(-2))


@pytest.mark.parametrize("heads", [1, 2, 8, 12, 14, 16, 71, 112])
def test_alibi_slopes_are_those_of_bloom(heads):
    theirs = transformers.models.bloom.modeling_bloom.build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)  # slope * position
    torch.testing.assert_close(alibi_slopes(heads), theirs[:, 0, 1])


def test_alibi_slopes_of_eight_heads_are_those_of_the_paper():
    assert alibi_slopes(8).tolist() == [2.0**-n for n in range(1, 9)]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (8, 20), (64, 1000)])
def test_t5_buckets_are_those_of_transformers(causal, num_buckets, max_distance):
    before = torch.arange(-1500, 1500)
    bucket = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket
    theirs = bucket(-before, bidirectional=not causal, num_buckets=num_buckets, max_distance=max_distance)
    assert torch.equal(buckets(before, num_buckets, max_distance, causal), theirs)


def test_sinusoids_are_the_formula_of_the_paper():
    dim = 6
    exponents = torch.arange(0, dim, 2) / dim
    table = waves(torch.arange(20)[None], BASE**-exponents)[0]
    for position in (0, 1, 19):
        for i in range(dim // 2):
            angle = position / 10_000 ** (2 * i / dim)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_learned_positions_refuse_what_they_never_learned():
    model = small_model(position="learned", max_seq_len=16)
    longer = small_model(position="learned", max_seq_len=32)
    longer.decoder.position = model.decoder.position
    with pytest.raises(ConfigError, match="17 tokens, but position='learned' has vectors for max_seq_len=16"):
        longer(Inputs(some_tokens(1, 17)))


@pytest.mark.parametrize("shape", ["decoder", "encoder"])
def test_transformer_xl_is_the_formula_of_the_paper(shape):
    """Dai et al. 2019, section 3.3, pair by pair: (q_i + u) k_j + (q_i + v) W r_(i-j), over the root of the width of a head."""
    model = small_model(shape=shape, position="transformer_xl", num_kv_heads=4).double()
    stack = getattr(model, shape)
    layer = stack.blocks[0].attention
    scores = layer.distance_scores
    for bias in (scores.content_bias, scores.place_bias):
        torch.nn.init.normal_(bias)
    length, heads, width = 9, 4, 8
    x = torch.randn(1, length, 32, dtype=torch.float64)
    q, k, v = (part(x)[0].view(length, heads, width) for part in (layer.query, layer.key, layer.value))
    content, place = (bias.view(heads, width) for bias in (scores.content_bias, scores.place_bias))
    wanted = torch.empty(length, heads, width, dtype=torch.float64)
    for head in range(heads):
        for i in range(length):
            row = []
            for j in range(i + 1 if shape == "decoder" else length):
                wave = [[math.sin((i - j) / 10_000 ** (2 * n / 32)), math.cos((i - j) / 10_000 ** (2 * n / 32))] for n in range(16)]
                key = (scores.place.weight @ torch.tensor(wave, dtype=torch.float64).flatten()).view(heads, width)[head]
                row.append((q[i, head] + content[head]) @ k[j, head] + (q[i, head] + place[head]) @ key)
            weights = torch.softmax(torch.stack(row) / width**0.5, dim=0)
            wanted[i, head] = weights @ v[: len(row), head]
    _, glance = stack.begin(x, view_itself(0, length, shape == "decoder", CPU), torch.float64)
    torch.testing.assert_close(layer(x, glance), layer.output(wanted.flatten(1))[None], rtol=0, atol=FLOAT32_ANGLES)


@pytest.mark.parametrize("position", ["rope", "alibi", "t5_bias", "sinusoidal", "transformer_xl", "none"])
def test_the_others_read_longer_text_with_the_same_weights(position):
    short, longer = (small_model(position=position, max_seq_len=length) for length in (16, 64))
    longer.load_state_dict(short.state_dict())
    tokens = some_tokens(1, 64)
    torch.testing.assert_close(longer(Inputs(tokens))[:, :16], short(Inputs(tokens[:, :16])), rtol=0, atol=FLOAT32_ANGLES)
