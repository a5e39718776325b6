"""Presets have the parameters that were published."""

import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.estimate.parameters import total_parameters
from groundup.nn.presets import find_preset, presets
from groundup.nn.transformer import build_model

transformers = pytest.importorskip("transformers")

EXACT = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "nanogpt-124m": 124_337_664,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-33b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "llama2-7b": 6_738_415_616,
    "llama2-13b": 13_015_864_320,
    "llama2-70b": 68_976_648_192,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3-405b": 405_853_388_800,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
    "bloom-560m": 559_214_592,
    "bloom-1b1": 1_065_314_304,
    "bloom-1b7": 1_722_408_960,
    "bloom-3b": 3_002_557_440,
    "bloom-7b1": 7_069_016_064,
    "bloom-176b": 176_247_271_424,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
    "bloomberggpt-50b": 50_558_868_480,
    "bert-base": 109_514_298,
    "bert-large": 335_174_458,
    "t5-small": 60_506_624,
    "t5-base": 222_903_552,
    "t5-large": 737_668_096,
    "t5-3b": 2_851_598_336,
    "t5-11b": 11_307_321_344,
    "t5-v1.1-small": 76_961_152,
    "t5-v1.1-base": 247_577_856,
    "t5-v1.1-large": 783_150_080,
    "t5-v1.1-xl": 2_849_757_184,
    "t5-v1.1-xxl": 11_135_332_352,
    "flan-t5-small": 76_961_152,
    "flan-t5-base": 247_577_856,
    "flan-t5-large": 783_150_080,
    "flan-t5-xl": 2_849_757_184,
    "flan-t5-xxl": 11_135_332_352,
}
"""Parameters as counted in the released weights (model cards), of BloombergGPT in Wu et al. 2023, table 4."""

ROUNDED = {
    "gpt3-125m": 125e6,
    "gpt3-350m": 350e6,
    "gpt3-760m": 760e6,
    "gpt3-1.3b": 1.3e9,
    "gpt3-2.7b": 2.7e9,
    "gpt3-6.7b": 6.7e9,
    "gpt3-13b": 13.0e9,
    "gpt3-175b": 175.0e9,
    "palm-8b": 8.63e9,
    "palm-62b": 62.50e9,
    "palm-540b": 540.35e9,
    "gopher-44m": 44e6,
    "gopher-117m": 117e6,
    "gopher-417m": 417e6,
    "gopher-1.4b": 1.4e9,
    "gopher-7.1b": 7.1e9,
    "gopher-280b": 280e9,
    "chinchilla-70b": 70e9,
    "opt-2.7b": 2.7e9,
    "opt-6.7b": 6.7e9,
    "opt-13b": 13e9,
    "opt-30b": 30e9,
    "opt-66b": 66e9,
    "opt-175b": 175e9,
}
"""Sizes as the paper's table rounds them."""
ROUNDING = 0.025


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_those_published(name):
    assert total_parameters(find_preset(name).config) == EXACT[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_parameters_are_near_the_published_size(name):
    assert total_parameters(find_preset(name).config) == pytest.approx(ROUNDED[name], rel=ROUNDING)


BART_BASE = {
    "d_model": 768,
    **{f"{stack}_{key}": value for stack in ("encoder", "decoder") for key, value in (("layers", 6), ("ffn_dim", 3072))},
    **{f"{stack}_attention_heads": 12 for stack in ("encoder", "decoder")},
}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1}
OPT = {"hidden_size": 2048, "word_embed_proj_dim": 2048, "num_hidden_layers": 24, "ffn_dim": 8192, "num_attention_heads": 32}
PYTHIA = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 512}
THEIRS = {
    "opt-125m": ("OPTForCausalLM", {}, 2),
    "opt-1.3b": ("OPTForCausalLM", OPT, 2),
    "pythia-14m": ("GPTNeoXForCausalLM", PYTHIA, 0),
    "roberta-base": ("RobertaForMaskedLM", ROBERTA, 2),
    "roberta-large": ("RobertaForMaskedLM", ROBERTA | LARGE, 2),
    "bart-base": ("BartForConditionalGeneration", BART_BASE, 4),
    "bart-large": ("BartForConditionalGeneration", {}, 4),
}
"""Class and settings that transformers has for a size, and the rows of positions by which it has more: those of padding."""


@pytest.mark.parametrize("name", THEIRS)
def test_parameters_are_those_of_transformers(name):
    config = find_preset(name).config
    model_name, settings, extra_positions = THEIRS[name]
    model_class = getattr(transformers, model_name)
    with torch.device("meta"):
        theirs = model_class(model_class.config_class(vocab_size=config.vocab_size, **settings))
    wanted = sum(p.numel() for p in theirs.parameters())
    assert total_parameters(config) + extra_positions * config.dim == wanted


def test_every_published_size_is_held_against_what_was_published():
    ours = {name for name, preset in presets().items() if preset.family == "tiny"}
    assert set(EXACT) | set(ROUNDED) | set(THEIRS) == set(presets()) - ours


@pytest.mark.parametrize("name", [name for name in presets() if total_parameters(find_preset(name).config) < 2e9])
def test_the_count_is_that_of_the_model(name):
    config = find_preset(name).config
    with torch.device("meta"):
        model = build_model(config)
    assert sum(p.numel() for p in model.parameters()) == total_parameters(config)


def test_the_largest_published_model_is_built_on_the_meta_device():
    config = find_preset("bloom-176b").config
    with torch.device("meta"):
        model = build_model(config)
    assert sum(p.numel() for p in model.parameters()) == EXACT["bloom-176b"]
    assert all(p.is_meta for p in model.parameters())


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'gpt2-xl'"):
        find_preset("gpt2xl")
