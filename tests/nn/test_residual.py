"""How blocks are wired, against the formulas of the papers."""

import math

import jaxtyping
import pytest
import torch
from torch import nn

import models
from groundup.nn.residual import RESIDUALS, deepnorm_factors
from groundup.nn.transformer import Inputs


def test_each_wiring_is_its_formula():
    """With parts f = double and g = cube, and norms made apart by their weights."""
    x = torch.randn(2, 3, 32, dtype=torch.float64)

    def f(h):
        return 2 * h

    def g(h):
        return h**3

    def built(name):
        wiring = RESIDUALS[name](models.small_config(residual=name), 2, True).double()
        for number, norm in enumerate(wiring.norms):
            nn.init.constant_(norm.weight, 1.0 + number)
        return wiring, list(wiring.norms)

    wiring, n = built("pre")
    h = x + f(n[0](x))
    torch.testing.assert_close(wiring(x, (f, g)), h + g(n[1](h)))
    wiring, n = built("post")
    h = n[0](x + f(x))
    torch.testing.assert_close(wiring(x, (f, g)), n[1](h + g(h)))
    wiring, n = built("sandwich")
    h = x + n[1](f(n[0](x)))
    torch.testing.assert_close(wiring(x, (f, g)), h + n[3](g(n[2](h))))
    wiring, n = built("parallel")
    torch.testing.assert_close(wiring(x, (f, g)), x + f(n[0](x)) + g(n[1](x)))
    wiring, n = built("parallel_shared")
    torch.testing.assert_close(wiring(x, (f, g)), x + f(n[0](x)) + g(n[0](x)))
    wiring, n = built("deepnorm")
    alpha = 4**0.25  # two layers
    h = n[0](alpha * x + f(x))
    torch.testing.assert_close(wiring(x, (f, g)), n[1](alpha * h + g(h)))


@pytest.mark.parametrize(
    ("sizes", "decoder", "alpha", "beta"),
    [
        ({"num_layers": 18}, True, 36**0.25, 144**-0.25),
        ({"num_layers": 12, "shape": "encoder"}, False, 24**0.25, 96**-0.25),
        ({"num_layers": 6, "num_encoder_layers": 12, "shape": "encoder_decoder"}, True, 18**0.25, 72**-0.25),
        (
            {"num_layers": 6, "num_encoder_layers": 12, "shape": "encoder_decoder"},
            False,
            0.81 * (12**4 * 6) ** (1 / 16),
            0.87 * (12**4 * 6) ** (-1 / 16),
        ),
    ],
)
def test_deepnorm_factors_are_those_of_the_table(sizes, decoder, alpha, beta):
    assert deepnorm_factors(models.small_config(**sizes), decoder) == pytest.approx((alpha, beta))


def losses_of_a_deep_model(residual, init, steps=25):
    """Train 200 narrow layers to count in threes, at a learning rate that is usual for shallow models."""
    sizes = {"num_layers": 200, "dim": 16, "num_heads": 2, "ffn_dim": 32, "norm": "layer", "feed_forward": "gelu"}
    model = models.small_model(residual=residual, init=init, **sizes).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=True)
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(steps):
        tokens = (torch.randint(models.VOCAB, (16, 1), generator=generator) + 3 * torch.arange(17)) % models.VOCAB
        loss = nn.functional.cross_entropy(model(Inputs(tokens[:, :-1])).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture
def _shapes_unchecked():
    """Two thirds of a deep forward pass go into looking at shapes, which all other tests do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("_shapes_unchecked")
def test_deepnorm_trains_two_hundred_layers_where_post_norm_does_not():
    """Wang et al. 2022, figure 1: at this depth post-norm, with weights that keep the variance, learns nothing."""
    deep, post = losses_of_a_deep_model("deepnorm", "deepnorm"), losses_of_a_deep_model("post", "t5")
    guess = math.log(models.VOCAB)
    assert deep[-1] < guess - 0.8
    assert max(deep) < deep[0] + 0.3
    assert post[-1] > guess
