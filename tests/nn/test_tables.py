"""Contracts of every row of the model's tables."""

import copy
from typing import get_args

import pytest
import torch

from groundup.nn.config import AttentionKernel, FeedForwardName, ModelConfig, NormName, PositionName
from groundup.nn.feedforward import FEED_FORWARD
from groundup.nn.kernels import ATTENTION
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.transformer import Transformer

SHAPE = {"vocab_size": 61, "dim": 24, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 40, "max_seq_len": 16}
BF16_EPS = 2.0**-7
"""Two units in the last place of bfloat16 at 1."""


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (NORMS, get_args(NormName)),
        (POSITIONS, get_args(PositionName)),
        (FEED_FORWARD, get_args(FeedForwardName)),
        (ATTENTION, [name for name in get_args(AttentionKernel) if name != "auto"]),
    ],
)
def test_the_names_of_a_table_are_those_of_the_settings(table, names):
    assert list(table) == list(names)


@pytest.mark.parametrize("name", NORMS)
def test_norm_keeps_the_shape_and_learns(name):
    norm = NORMS[name](24, 1e-5)
    x = torch.randn(3, 5, 24, requires_grad=True)
    norm(x).square().sum().backward()
    assert norm(x).shape == x.shape
    assert all(p.grad is not None and p.grad.isfinite().all() for p in [x, *norm.parameters()])


@pytest.mark.parametrize("name", NORMS)
def test_norm_takes_its_statistics_in_float32(name):
    norm = NORMS[name](256, 1e-5)
    x = (torch.randn(4, 256, generator=torch.Generator().manual_seed(0)) * 300).bfloat16()
    exact = copy.deepcopy(norm).double()(x.double()).float()
    assert norm(x).dtype == torch.bfloat16
    torch.testing.assert_close(norm(x).float(), exact, rtol=BF16_EPS, atol=1e-6)


@pytest.mark.parametrize("name", NORMS)
def test_norm_gives_autocast_what_its_products_eat(name):
    with torch.autocast("cpu", torch.bfloat16):
        assert NORMS[name](24, 1e-5)(torch.randn(2, 24)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_feed_forward_keeps_the_shape_and_treats_tokens_alone(name):
    layer = FEED_FORWARD[name](ModelConfig(**SHAPE))
    x = torch.randn(2, 7, 24)
    torch.testing.assert_close(layer(x)[:, 3:4], layer(x[:, 3:4]))
    assert layer(x).shape == x.shape


@pytest.mark.parametrize("name", POSITIONS)
def test_position_from_an_offset_is_the_tail_of_the_whole(name):
    position = POSITIONS[name](ModelConfig(**SHAPE))
    x = torch.randn(2, 12, 4, 6)
    torch.testing.assert_close(position.at(5, 7, x.dtype)(x[:, 5:]), position.at(0, 12, x.dtype)(x)[:, 5:], rtol=0, atol=0)


@pytest.mark.parametrize("name", POSITIONS)
def test_position_keeps_lengths_and_relative_products(name):
    position = POSITIONS[name](ModelConfig(**SHAPE))
    x, y = torch.randn(2, 1, 1, 1, 6).double()
    near = (position.at(1, 1, x.dtype)(x) * position.at(4, 1, x.dtype)(y)).sum()
    far = (position.at(10, 1, x.dtype)(x) * position.at(13, 1, x.dtype)(y)).sum()
    torch.testing.assert_close(near, far, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(position.at(9, 1, x.dtype)(x).norm(), x.norm(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("feed_forward", FEED_FORWARD)
def test_every_combination_trains_in_both_precisions(attention, norm, position, feed_forward):
    config = ModelConfig(**SHAPE, norm=norm, position=position, feed_forward=feed_forward)
    model = Transformer(config, attention)
    model.init_weights(torch.Generator().manual_seed(0))
    tokens = torch.randint(61, (2, 16), generator=torch.Generator().manual_seed(1))
    ids = torch.arange(16).expand(2, 16) // 5
    exact = model(tokens, ids)
    with torch.autocast("cpu", torch.bfloat16):
        trunk = model.trunk(tokens, ids)
    assert exact.dtype == torch.float32
    assert trunk.dtype == torch.bfloat16
    exact.logsumexp(-1).sum().backward()
    trunk.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
