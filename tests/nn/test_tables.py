"""Contracts of every row of the model's tables."""

import copy
import math
from typing import get_args

import pytest
import torch

import models
from groundup.nn.attention import ATTENTION, FULL_ATTENTION
from groundup.nn.config import (
    GATED,
    AttentionKernel,
    AttentionName,
    FeedForwardName,
    InitName,
    NormName,
    PositionName,
    ResidualName,
    RopeScalingName,
    ShapeName,
)
from groundup.nn.feedforward import FEED_FORWARD, Gated
from groundup.nn.init import INITS
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.positions.frequencies import ROPE_SCALINGS
from groundup.nn.residual import FINAL_NORM, RESIDUALS
from groundup.nn.transformer import SHAPES, Inputs
from groundup.nn.view import view_itself

BF16_EPS = 2.0**-7
"""Two units in the last place of bfloat16 at 1."""
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (SHAPES, ShapeName),
        (NORMS, NormName),
        (RESIDUALS, ResidualName),
        (POSITIONS, PositionName),
        (ROPE_SCALINGS, RopeScalingName),
        (ATTENTION, AttentionName),
        (FEED_FORWARD, FeedForwardName),
        (INITS, InitName),
    ],
)
def test_the_names_of_a_table_are_those_of_the_settings(table, names):
    assert list(table) == list(get_args(names))


def test_the_kernels_are_those_of_the_settings():
    assert list(FULL_ATTENTION) == [name for name in get_args(AttentionKernel) if name != "auto"]
    assert set(FINAL_NORM) <= set(RESIDUALS)


def test_the_small_settings_hold_every_row():
    assert list(models.ATTENTIONS) == list(ATTENTION)
    assert list(models.SHAPES) == list(SHAPES)


@pytest.mark.parametrize("name", NORMS)
def test_norm_keeps_the_shape_and_learns(name):
    norm = NORMS[name](24, 1e-5)
    x = torch.randn(3, 5, 24, requires_grad=True)
    norm(x).pow(3).sum().backward()
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


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", FEED_FORWARD)
def test_feed_forward_keeps_the_shape_and_treats_tokens_alone(name, bias):
    layer = FEED_FORWARD[name](models.small_config(bias=bias))
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(layer(x)[:, 3:4], layer(x[:, 3:4]))
    assert layer(x).shape == x.shape
    assert isinstance(layer, Gated) == (name in GATED)
    assert sum(p.ndim == 1 for p in layer.parameters()) == (sum(p.ndim == 2 for p in layer.parameters()) if bias else 0)


def erf_gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def tanh_gelu(x):
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


BENDS = {
    "swiglu": lambda x: x / (1 + math.exp(-x)),
    "geglu": erf_gelu,
    "geglu_tanh": tanh_gelu,
    "reglu": lambda x: max(x, 0.0),
    "gelu": erf_gelu,
    "gelu_tanh": tanh_gelu,
    "relu": lambda x: max(x, 0.0),
    "relu_squared": lambda x: max(x, 0.0) ** 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", FEED_FORWARD)
def test_feed_forward_is_its_formula(name):
    """Number by number: W_down f(W_up x), or with a gate W_down (f(W_gate x) * W_up x) (Shazeer 2020; Hendrycks & Gimpel 2016)."""
    layer = FEED_FORWARD[name](models.small_config(bias=True)).double()
    x = torch.randn(32, dtype=torch.float64)
    bent = [BENDS[name](value) for value in (layer.gate if name in GATED else layer.up)(x).tolist()]
    wide = torch.tensor(bent, dtype=torch.float64) * (layer.up(x) if name in GATED else 1)
    torch.testing.assert_close(layer(x[None, None])[0, 0], layer.down(wide))


@pytest.mark.parametrize("name", NORMS)
def test_norm_is_its_formula(name):
    """Number by number: g (x - mean) / sqrt(var + eps) + b (Ba et al. 2016), or without mean and b (Zhang & Sennrich 2019)."""
    norm, eps = NORMS[name](6, 0.01).double(), 0.01
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    weight, bias = (
        getattr(norm, part).tolist() if hasattr(norm, part) else [number] * 6 for part, number in (("weight", 1), ("bias", 0))
    )
    x = [1.0, -2.0, 0.5, 3.0, 0.0, -0.25]
    centre = sum(x) / 6 if name.startswith("layer") else 0.0
    spread = math.sqrt(sum((value - centre) ** 2 for value in x) / 6 + eps)
    wanted = [g * (value - centre) / spread + b for g, value, b in zip(weight, x, bias, strict=True)]
    torch.testing.assert_close(norm(torch.tensor([x], dtype=torch.float64))[0], torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("name", POSITIONS)
def test_position_from_an_offset_is_the_tail_of_the_whole(name, causal):
    position = POSITIONS[name](models.small_config(position=name), causal)
    whole, tail = (position.effects(view_itself(start, length, True, CPU), torch.float32) for start, length in ((0, 12), (5, 7)))
    x = torch.randn(2, 12, 4, 8)
    assert torch.equal(tail.turn(x[:, 5:]), whole.turn(x)[:, 5:])
    assert (whole.added is None) == (tail.added is None)
    if whole.added is not None:
        assert torch.equal(tail.added, whole.added[:, 5:])
    if whole.bias is not None:
        places = torch.arange(12)
        assert torch.equal(tail.bias(places[5:, None], places[None]), whole.bias(places[:, None], places[None])[:, 5:])


@pytest.mark.parametrize("name", [name for name in POSITIONS if name not in ("learned", "sinusoidal")])
def test_what_acts_on_attention_knows_distances_alone(name):
    effects = POSITIONS[name](models.small_config(position=name), True).effects(view_itself(0, 14, True, CPU), torch.float64)
    x, y = torch.randn(2, 14, 4, 8).double()
    turned = effects.turn(x[None, :1].expand(1, 14, 4, 8)), effects.turn(y[None, :1].expand(1, 14, 4, 8))
    near, far = ((turned[0][0, a] * turned[1][0, b]).sum() for a, b in ((1, 4), (10, 13)))
    torch.testing.assert_close(near, far, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(turned[0].norm(dim=-1)[0, 9], x[0].norm(dim=-1), rtol=1e-6, atol=0)
    if effects.bias is not None:
        assert torch.equal(
            effects.bias(torch.tensor([[4]]), torch.tensor([[1]])), effects.bias(torch.tensor([[13]]), torch.tensor([[10]]))
        )


@pytest.mark.parametrize("changes", models.architectures(), ids=models.name_of)
def test_every_architecture_trains_in_both_precisions(changes):
    model = models.small_model("matmul", **changes)
    tokens = models.some_tokens(2, 40)
    inputs = models.some_inputs(changes["shape"], tokens, torch.arange(40).expand(2, 40) // 15)
    exact = model(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        trunk = model.trunk(inputs)
    assert exact.shape == (2, 40, models.VOCAB)
    assert exact.dtype == torch.float32
    assert trunk.dtype == torch.bfloat16
    (exact.logsumexp(-1).sum() + trunk.float().square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


CHOICES = [
    *({"residual": name} for name in RESIDUALS),
    *({"norm": name} for name in NORMS),
    *({"feed_forward": name} for name in FEED_FORWARD),
    *({"init": name, **({"residual": name} if name == "deepnorm" else {})} for name in INITS),
    *({"position": "rope", "rope_scaling": name, "rope_factor": 4.0} for name in ("linear", "ntk")),
    *({"rope_scaling": name, "rope_factor": 4.0, "rope_original_len": 24} for name in ("yarn", "llama3")),
    {"rope_pairs": "neighbours"},
    {"rope_fraction": 0.5},
    {"embedding_norm": True, "embedding_scale": True, "bias": True, "dropout": 0.1, "attention_dropout": 0.1},
    {"qk_norm": True, "attention_soft_cap": 20.0, "logit_soft_cap": 30.0, "scale_scores": False},
    {"tie_embeddings": False, "head_bias": True, "head_transform": True},
    {"head_scale": True, "init": "mup", "mup_base_dim": 16},
    {"head_dim": 16},
]


@pytest.mark.parametrize("shape", models.SHAPES)
@pytest.mark.parametrize("changes", CHOICES, ids=lambda changes: "-".join(f"{key}={value}" for key, value in changes.items()))
def test_every_choice_trains_saves_and_loads(changes, shape):
    model = models.small_model(shape=shape, **models.SHAPES[shape], **changes)
    inputs = models.some_inputs(shape, models.some_tokens(2, 24))
    logits = model(inputs)
    logits.logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    other = models.small_model(shape=shape, seed=4, **models.SHAPES[shape], **changes)
    assert not torch.equal(other(inputs), logits)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(inputs), logits)


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
@pytest.mark.parametrize("kernel", FULL_ATTENTION)
def test_dropout_acts_in_training_alone(name, kernel):
    model = models.small_model(kernel, **{name: 0.5})
    inputs = Inputs(models.some_tokens(1, 20))
    assert torch.equal(model(inputs), model(inputs))
    model.train()
    assert not torch.equal(model(inputs), model(inputs))
