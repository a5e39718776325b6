from itertools import pairwise

import pytest

from groundup.core.errors import ConfigError
from groundup.estimate.parameters import total_parameters
from groundup.nn.presets import find_preset, presets
from groundup.plan.catalogue import published_models, render_models
from groundup.plan.config import SizeConfig
from groundup.plan.shapes import WIDTHS, default_ffn_dim, default_heads, family, shape


@pytest.mark.parametrize("name", presets())
def test_a_published_model_is_taken_whole(name):
    """But for the vocabulary and the length, which are said elsewhere."""
    published = find_preset(name).config
    size = SizeConfig(preset=name)
    (model,) = family(size, published.vocab_size, published.max_seq_len)
    assert model == published
    assert SizeConfig.model_validate(size.model_dump()) == size


def test_what_is_said_beside_a_published_model_wins():
    size = SizeConfig(preset="gpt2", num_layers=2, position="alibi")
    (model,) = family(size, vocab_size=500, seq_len=64)
    gpt2 = find_preset("gpt2").config
    changes = {"num_layers": 2, "position": "alibi", "vocab_size": 500, "max_seq_len": 64}
    assert model == gpt2.model_copy(update=changes)


def test_heads_may_be_as_wide_as_is_said():
    (model,) = family(SizeConfig(dim=96, num_layers=2, head_dim=40), vocab_size=500, seq_len=64)
    assert (model.num_heads, model.head_dim, model.inner_dim) == (2, 40, 80)
    (model,) = family(SizeConfig(dim=96, num_layers=2, head_dim=40, num_heads=5), vocab_size=500, seq_len=64)
    assert (model.num_heads, model.head_dim) == (5, 40)


def test_the_catalogue_lists_every_published_model():
    assert [model.name for model in published_models()] == list(presets())
    (found,) = published_models("bloom-176b")
    assert (found.params, found.shape, found.num_layers, found.vocab_size) == (176_247_271_424, "decoder", 70, 250_880)
    assert {model.family for model in published_models("llama")} == {"llama", "llama2", "llama3", "llama3.2"}
    text = render_models(published_models("t5"))
    assert "222,903,552" in text
    assert "12 + 12 layers of 768" in text
    with pytest.raises(ConfigError, match="no published model has 'gpt2_xl' in its name; did you mean 'gpt2-xl'"):
        published_models("gpt2_xl")


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
