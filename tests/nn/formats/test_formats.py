"""What each family can hold, and what it cannot."""

from typing import get_args

import pytest
import torch

import models
from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.config import FamilyName
from groundup.nn.formats import FORMATS, format_for
from groundup.nn.formats.base import expand
from groundup.nn.formats.changes import (
    AFTER_EXTRA_POSITIONS,
    HALVES_OF_NEIGHBOURS,
    HEAD_BY_HEAD,
    SAME,
    SIDE_BY_SIDE,
    TRANSPOSED,
)
from groundup.nn.presets import find_preset
from groundup.nn.tensors import our_shapes


@pytest.mark.parametrize("name", FORMATS)
def test_every_tensor_has_one_place_on_both_sides(name):
    config = models.small_config(**models.FAMILIES[name])
    rows = expand(FORMATS[name].rows(config), config)
    ours = [part for row in rows for part in row.ours]
    assert sorted(ours) == sorted(our_shapes(config))
    assert len({row.theirs for row in rows}) == len(rows)
    assert not set(FORMATS[name].copies) & {row.theirs for row in rows if "lm_head" not in row.theirs}


@pytest.mark.parametrize("name", FORMATS)
def test_weights_survive_both_ways(name):
    model = models.small_model(**models.FAMILIES[name])
    family = FORMATS[name]
    back = family.to_ours(family.to_theirs(model.state_dict(), model.config), model.config)
    assert list(back) == list(model.state_dict())
    assert all(torch.equal(back[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", FORMATS)
def test_settings_survive_both_ways(name):
    config = models.small_config(**models.FAMILIES[name], dropout=0.1, attention_dropout=0.1)
    family = FORMATS[name]
    back = family.read_config(family.write_config(config))
    unsaid = ("init", "init_std", *(("dropout",) if name in ("llama", "mistral", "qwen3") else ()))
    assert back == config.model_copy(update={key: getattr(back, key) for key in unsaid})


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("key", "value"), [("logit_soft_cap", 30.0), ("attention_soft_cap", 50.0), ("residual", "sandwich")])
def test_what_no_family_has_is_refused_by_all(name, key, value):
    config = models.small_config(**models.FAMILIES[name] | {key: value})
    with pytest.raises(ConfigError, match=f"the {name} format cannot hold this model: .*model.{key}="):
        FORMATS[name].write_config(config)
    with pytest.raises(ConfigError, match=f"no format of Hugging Face can hold this model(.|\n)*model.{key}="):
        format_for(config)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("gpt2", {"num_kv_heads": 2}, "num_kv_heads = num_heads is needed"),
        ("gpt2", {"head_dim": 16}, r"num_heads \* head_dim = dim is needed"),
        ("bloom", {"ffn_dim": 48}, r"ffn_dim = 4 \* dim is needed"),
        ("gpt_neox", {"rope_fraction": 0.4}, "rope_fraction even"),
        ("opt", {"norm_eps": 1e-6}, "norm_eps=1e-06, not 1e-05"),
        ("t5", {"head_scale": True}, "head_scale = tie_embeddings is needed"),
        ("bert", {"head_bias": False}, "head_transform = head_bias is needed"),
        ("llama", {"init": "mup"}, "init other than 'mup'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_words(name, changes, words):
    with pytest.raises(ConfigError, match=words):
        FORMATS[name].write_config(models.small_config(**models.FAMILIES[name] | changes))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("opt", {"do_layer_norm_before": False}, "do_layer_norm_before=False; groundup reads opt models with .*True only"),
        ("opt", {"word_embed_proj_dim": 16}, "word_embed_proj_dim=16"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True"),
        ("gpt2", {"activation_function": "tanh"}, "activation_function='tanh' is not among"),
        ("bloom", {"apply_residual_connection_post_layernorm": True}, "apply_residual_connection_post_layernorm=True"),
        ("gpt_neox", {"attention_bias": False}, "attention_bias=False"),
        ("bert", {"hidden_act": "relu"}, "hidden_act='relu'"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ("roberta", {"pad_token_id": 0}, "pad_token_id=0"),
        ("t5", {"feed_forward_proj": "gated-tanh"}, "feed_forward_proj='gated-tanh'"),
        ("bart", {"decoder_ffn_dim": 99}, "encoder_ffn_dim=48, decoder_ffn_dim=99"),
        ("bart", {"decoder_attention_heads": 2}, "encoder_attention_heads=4, decoder_attention_heads=2"),
    ],
)
def test_settings_that_we_lack_are_refused_with_words(name, changes, words):
    data = FORMATS[name].write_config(models.small_config(**models.FAMILIES[name]))
    with pytest.raises(ConfigError, match=words):
        FORMATS[name].read_config(data | changes)


def test_a_stretched_base_is_written_as_a_base():
    config = models.small_config(rope_scaling="ntk", rope_factor=4.0)
    rope = FORMATS["llama"].write_config(config)["rope_parameters"]
    assert rope == {"rope_type": "default", "rope_theta": pytest.approx(10_000.0 * 4 ** (8 / 6))}


@pytest.mark.parametrize("scaling", ["linear", "yarn", "llama3"])
def test_the_export_says_how_frequencies_are_scaled(scaling):
    length = {} if scaling == "linear" else {"rope_original_len": 32}
    config = models.small_config(rope_scaling=scaling, rope_factor=3.0, **length)
    rope = FORMATS["llama"].write_config(config)["rope_parameters"]
    assert (rope["rope_type"], rope["factor"]) == (scaling, 3.0)


def test_an_encoder_without_segments_is_written_with_one_of_zeros():
    model = models.small_model(**models.FAMILIES["bert"] | {"segments": 0})
    theirs = FORMATS["bert"].to_theirs(model.state_dict(), model.config)
    assert FORMATS["bert"].write_config(model.config)["type_vocab_size"] == 1
    assert not theirs["bert.embeddings.token_type_embeddings.weight"].any()


def test_an_encoder_without_its_head_is_read():
    config = models.small_config(**models.FAMILIES["bert"] | {"head_bias": False, "head_transform": False})
    data = FORMATS["bert"].write_config(config)
    assert data["architectures"] == ["BertModel"]
    assert FORMATS["bert"].read_config(data) == config.model_copy(update={"init": "gpt2"})


def test_old_names_of_bert_are_understood():
    model = models.small_model(**models.FAMILIES["bert"])
    theirs = FORMATS["bert"].to_theirs(model.state_dict(), model.config)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in theirs.items()
    }
    old["bert.pooler.dense.weight"] = torch.ones(32, 32)
    old["bert.embeddings.position_ids"] = torch.arange(96)[None]
    assert FORMATS["bert"].to_ours(old, model.config).keys() == model.state_dict().keys()


def test_old_names_of_gpt_neox_are_understood():
    model = models.small_model(**models.FAMILIES["gpt_neox"], tie_embeddings=False)
    theirs = FORMATS["gpt_neox"].to_theirs(model.state_dict(), model.config)
    theirs["embed_out.weight"] = theirs.pop("lm_head.weight")
    theirs["gpt_neox.layers.0.attention.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    assert FORMATS["gpt_neox"].to_ours(theirs, model.config).keys() == model.state_dict().keys()


def test_a_bias_of_barts_logits_must_be_zero():
    model = models.small_model(**models.FAMILIES["bart"])
    theirs = FORMATS["bart"].to_theirs(model.state_dict(), model.config)
    assert FORMATS["bart"].to_ours(theirs | {"final_logits_bias": torch.zeros(1, models.VOCAB)}, model.config)
    with pytest.raises(ArtifactError, match="'final_logits_bias' is not zero"):
        FORMATS["bart"].to_ours(theirs | {"final_logits_bias": torch.ones(1, models.VOCAB)}, model.config)


def test_the_table_has_a_row_for_every_name():
    assert list(FORMATS) == list(get_args(FamilyName))


@pytest.mark.parametrize("change", [SAME, TRANSPOSED, SIDE_BY_SIDE, HEAD_BY_HEAD, HALVES_OF_NEIGHBOURS, AFTER_EXTRA_POSITIONS])
def test_a_change_is_undone_exactly(change):
    config = models.small_config(num_kv_heads=4)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(32, 32, generator=generator) for _ in range(3 if change in (SIDE_BY_SIDE, HEAD_BY_HEAD) else 1)]
    back = change.split(change.join(parts, config), config)
    assert all(torch.equal(part, again) for part, again in zip(parts, back, strict=True))


def test_palm_has_no_format_and_the_reasons_are_named():
    with pytest.raises(ConfigError, match=r"llama: model.norm='layer_no_bias', not 'rms'; model.residual='parallel_shared'"):
        format_for(find_preset("palm-8b").config)


ODD = (None, True, -1, 0, 3, 1.5, "x", [], {}, {"rope_type": []}, [1], 10**30, float("nan"), float("inf"))


@pytest.mark.parametrize("name", FORMATS)
def test_no_setting_ends_in_anything_but_words(name):
    """Each key in turn is missing, or of any kind and size."""
    data = FORMATS[name].write_config(models.small_config(**models.FAMILIES[name]))
    data |= {"rope_scaling": None, "architectures": None, "partial_rotary_factor": None}
    for key in data:
        for odd in ODD:
            try:
                FORMATS[name].read_config(data | {key: odd})
            except ConfigError as error:
                assert len(str(error)) > 20, (key, odd)


@pytest.mark.parametrize("name", FORMATS)
def test_a_tensor_that_is_missing_or_misshapen_is_named(name):
    model, family = models.small_model(**models.FAMILIES[name]), FORMATS[name]
    theirs = family.to_theirs(model.state_dict(), model.config)
    for tensor in list(theirs)[:: max(len(theirs) // 6, 1)]:
        rest = {other: value for other, value in theirs.items() if other != tensor}
        with pytest.raises(ArtifactError, match=f"'{tensor}' is missing"):
            family.to_ours(rest, model.config)
        for wrong in (torch.ones(()), torch.ones(5), torch.ones(3, 4), theirs[tensor][:-1], theirs[tensor][None]):
            with pytest.raises(ArtifactError, match=rf"'{tensor}' is \["):
                family.to_ours({**rest, tensor: wrong}, model.config)
