from itertools import pairwise

import pytest

from groundup.core.errors import ConfigError
from groundup.estimate.parameters import total_parameters
from groundup.plan.config import SizeConfig
from groundup.plan.shapes import WIDTHS, default_ffn_dim, default_heads, family, shape


def test_family_grows_from_demo_to_gpt2_small_and_beyond():
    sizes = [total_parameters(model) for model in family(SizeConfig(), vocab_size=4096, seq_len=256)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 500_000
    assert sizes[-1] > 100_000_000
    assert all(larger < 3 * smaller for smaller, larger in pairwise(sizes))


@pytest.mark.parametrize("dim", WIDTHS)
def test_heads_are_whole_and_even(dim):
    heads = default_heads(dim)
    assert dim % heads == 0
    assert (dim // heads) in (32, 64)


@pytest.mark.parametrize("dim", [48, 100, 120, 144, 250, 722])
def test_odd_widths_still_get_heads(dim):
    heads = default_heads(dim)
    assert dim % heads == 0
    assert (dim // heads) % 2 == 0


def test_swiglu_has_about_the_parameters_of_four_dim():
    assert 3 * default_ffn_dim(768, "swiglu") == pytest.approx(2 * default_ffn_dim(768, "gelu"), rel=0.02)


def test_what_the_user_fixes_wins():
    size = SizeConfig(num_heads=2, num_kv_heads=1, ffn_dim=96, norm="layer", tie_embeddings=False)
    for model in family(size, vocab_size=300, seq_len=64):
        assert (model.num_heads, model.num_kv_heads, model.ffn_dim, model.norm, model.tie_embeddings) == (2, 1, 96, "layer", False)
    only = family(SizeConfig(dim=96, num_layers=5), vocab_size=300, seq_len=64)
    assert [(model.dim, model.num_layers) for model in only] == [(96, 5)]


def test_widths_that_the_users_heads_do_not_divide_are_left_out():
    dims = [model.dim for model in family(SizeConfig(num_heads=6), vocab_size=300, seq_len=64)]
    assert dims
    assert all(dim % 6 == 0 for dim in dims)


def test_heads_that_divide_no_width_are_an_error():
    with pytest.raises(ConfigError, match="num_heads=17"):
        family(SizeConfig(num_heads=17), vocab_size=300, seq_len=64)


def test_heads_that_do_not_divide_the_width_are_an_error_with_the_way_out():
    with pytest.raises(ConfigError, match=r"dim=100.*num_heads=3.*nearest.*2"):
        shape(SizeConfig(num_heads=3), 100, 2, vocab_size=300, seq_len=64)
