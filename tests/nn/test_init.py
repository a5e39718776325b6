"""The spread of the first weights, against the papers' formulas."""

import math

import pytest

import models

DIM, LAYERS, FFN = 256, 8, 512


def spreads(**changes):
    model = models.small_model(dim=DIM, ffn_dim=FFN, num_layers=LAYERS, init_std=0.02, vocab_size=2000, **changes)
    return {name: p.std().item() for name, p in model.named_parameters() if p.ndim == 2}


def check(found, wanted):
    """Compare the spread of matrices by the end of their names; the first that fits counts."""
    for name, value in found.items():
        std = next(std for end, std in wanted if name.endswith(end))
        assert value == pytest.approx(std, rel=0.06), name


def test_gpt2():
    check(spreads(), [(("attention.output.weight", "down.weight"), 0.02 / 4), ("", 0.02)])


def test_small():
    wanted = [(("attention.output.weight", "down.weight"), 2 / (LAYERS * math.sqrt(DIM))), ("", math.sqrt(2 / (5 * DIM)))]
    check(spreads(init="small"), wanted)


def test_t5():
    wanted = [
        (("embedding.weight", "head.output.weight"), 1.0),
        ("down.weight", FFN**-0.5),
        ("query.weight", DIM**-0.5 * 64**-0.5),
        ("position.table.weight", DIM**-0.5),
        ("", DIM**-0.5),
    ]
    found = spreads(init="t5", scale_scores=False, tie_embeddings=False)
    check(found, wanted)


def test_deepnorm():
    beta = (8 * LAYERS) ** -0.25
    found = spreads(init="deepnorm", residual="deepnorm", num_kv_heads=4)
    wanted = [
        ("embedding.weight", DIM**-0.5),
        (("query.weight", "key.weight"), math.sqrt(2 / (2 * DIM))),
        (("value.weight", "attention.output.weight"), beta * math.sqrt(2 / (2 * DIM))),
        ("", beta * math.sqrt(2 / (DIM + FFN))),
    ]
    check(found, wanted)


def test_mup_shrinks_hidden_matrices_with_the_width():
    plain, wide = spreads(), spreads(init="mup", mup_base_dim=64)
    assert wide["embedding.weight"] == pytest.approx(plain["embedding.weight"], rel=0.02)
    for name in ("decoder.blocks.0.attention.query.weight", "decoder.blocks.3.feed_forward.down.weight"):
        assert wide[name] == pytest.approx(plain[name] / 2, rel=0.02)
