"""A folder that is damaged, hostile or beyond our models is refused with words."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.config import ModelConfig
from groundup.nn.formats import FORMATS
from groundup.nn.formats.folder import read_folder
from groundup.nn.transformer import build_model

CONFIG = ModelConfig(vocab_size=31, dim=16, num_layers=2, num_heads=2, num_kv_heads=2, ffn_dim=24, max_seq_len=16)
NORM = "model.norm.weight"


@pytest.fixture
def folder(tmp_path):
    model = build_model(CONFIG)
    model.init_weights(torch.Generator().manual_seed(0))
    llama = FORMATS["llama"]
    (tmp_path / "config.json").write_text(json.dumps(llama.write_config(CONFIG)))
    save_file(llama.to_theirs(model.state_dict(), CONFIG), tmp_path / "model.safetensors")
    return tmp_path


def weights(change):
    def damage(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def settings(**changes):
    def damage(folder):
        data = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(data))

    return damage


def overwrite(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def truncate(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def pickle_only(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def shards(change=lambda places: None):
    """Return damage that splits the weights into two files with an index, then changes the index."""

    def damage(folder):
        tensors = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        names = sorted(tensors)
        places = {name: f"model-{number % 2}.safetensors" for number, name in enumerate(names)}
        for file in set(places.values()):
            save_file({name: tensors[name] for name in names if places[name] == file}, folder / file)
        change(places)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    return damage


DAMAGES = {
    "truncated": (truncate, "model.safetensors: damaged or not a safetensors file"),
    "empty": (overwrite("model.safetensors", b""), "damaged or not a safetensors file"),
    "pickle in disguise": (overwrite("model.safetensors", b"\x80\x04K\x01."), "damaged or not a safetensors file"),
    "oversized header": (overwrite("model.safetensors", struct.pack("<Q", 1 << 62) + b"{}"), "damaged or not"),
    "header beyond the file": (overwrite("model.safetensors", struct.pack("<Q", 1000) + b"{}"), "damaged or not"),
    "pickle": (pickle_only, "pytorch_model.bin, a pickle.*safetensors only.*save_pretrained"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "neither model.safetensors nor"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json: missing"),
    "config is a list": (overwrite("config.json", b"[]"), "config.json: no JSON object"),
    "config is deep": (overwrite("config.json", b"[" * 100_000), "config.json: no JSON object"),
    "missing tensor": (weights(lambda t: t.pop(NORM)), f"model.safetensors: tensor '{NORM}' is missing"),
    "unknown tensor": (weights(lambda t: t.update(other=torch.ones(2))), "tensor 'other' has no place"),
    "wrong shape": (weights(lambda t: t.update({NORM: torch.ones(7)})), rf"'{NORM}' is \[7\].*asks for \[16\]"),
    "scalar": (weights(lambda t: t.update({NORM: torch.tensor(1.0)})), rf"'{NORM}' is \[\].*asks for \[16\]"),
    "whole numbers": (weights(lambda t: t.update({NORM: torch.ones(16, dtype=torch.int32)})), "torch.int32"),
    "two heads that differ": (weights(lambda t: t.update({"lm_head.weight": torch.ones(31, 16)})), "differ, but config.json ties"),
    "two heads of two shapes": (weights(lambda t: t.update({"lm_head.weight": torch.ones(3)})), "differ, but config.json ties"),
    "other width": (settings(intermediate_size=48), r"is \[24, 16\], config.json asks for \[48, 16\]"),
    "vast depth": (settings(num_hidden_layers=9_999), "too few for the 9999 layers"),
    "vast length": (settings(max_position_embeddings=1 << 20, head_dim=1 << 16), "config.json asks for"),
    "index escapes": (shards(lambda p: p.update({NORM: "../secret.safetensors"})), "'../secret.safetensors', which is not a plain"),
    "index is absolute": (shards(lambda p: p.update({NORM: "/etc/passwd"})), "'/etc/passwd', which is not a plain name"),
    "index goes up": (shards(lambda p: p.update({NORM: ".."})), "'..', which is not a plain name"),
    "index of no names": (shards(lambda p: p.update({NORM: 3})), "'weight_map' should name the file"),
    "shard missing": (shards(lambda p: p.update({NORM: "model-2.safetensors"})), "model-2.safetensors: missing"),
    "shard without a tensor": (shards(lambda p: p.update({"other": "model-0.safetensors"})), "model-0.*'other' is missing"),
    "shard with another tensor": (shards(lambda p: p.pop(NORM)), rf"'{NORM}' is not among those"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_refused_with_words(folder, name):
    damage, words = DAMAGES[name]
    damage(folder)
    with pytest.raises(ArtifactError, match=words) as error:
        read_folder(folder)
    assert str(folder) in str(error.value)


BEYOND = {
    "unknown family": ({"model_type": "xlstm"}, "no models of model_type='xlstm'; known: "),
    "family misspelt": ({"model_type": "lama"}, "did you mean 'llama'"),
    "no family": ({"model_type": None}, "known: llama"),
    "other activation": ({"hidden_act": "tanh"}, "hidden_act='tanh' is not among.*silu, gelu"),
    "other rotary scaling": ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type='dynamic'.*default, linear"),
    "old rotary scaling": ({"rope_parameters": None, "rope_scaling": {"type": "longrope"}}, "type='longrope'"),
    "other bounds": (
        {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 64}},
        "beta_fast=64; groundup reads llama models with beta_fast=32.0 only",
    ),
    "biases in one place": ({"attention_bias": True}, "attention_bias=True, mlp_bias=False"),
    "quantised": ({"quantization_config": {"bits": 4}}, "quantization_config="),
    "missing size": ({"hidden_size": None}, "'hidden_size' is missing, which llama models need"),
    "size in words": ({"hidden_size": "wide"}, "hidden_size='wide' should be a whole number"),
    "no heads": ({"num_attention_heads": 0}, "num_attention_heads=0 should be a whole number above 0"),
    "uneven heads": ({"num_attention_heads": 3, "head_dim": None}, "dim=16 is not a multiple of num_heads=3"),
    "impossible depth": ({"num_hidden_layers": 10**12}, "num_layers"),
    "flag in words": ({"tie_word_embeddings": "yes"}, "tie_word_embeddings='yes' should be true or false"),
    "rotary is a list": ({"rope_parameters": [1]}, "should be an object"),
    "no number": ({"rms_norm_eps": "small"}, "rms_norm_eps='small' should be a number"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_our_models_is_refused_with_words(folder, name):
    changes, words = BEYOND[name]
    settings(**changes)(folder)
    with pytest.raises(ConfigError, match=words) as error:
        read_folder(folder)
    assert str(folder) in str(error.value)


def test_shards_are_read_as_one(folder):
    whole = read_folder(folder)
    shards()(folder)
    config, tensors = read_folder(folder)
    assert config == whole[0]
    assert all(torch.equal(tensors[name], tensor) for name, tensor in whole[1].items())


def test_constants_and_equal_copies_are_passed_over(folder):
    whole = read_folder(folder)[1]
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    weights(lambda t: t.update(extra, **{"lm_head.weight": t["model.embed_tokens.weight"].clone()}))(folder)
    assert read_folder(folder)[1].keys() == whole.keys()


def test_the_embedding_is_found_under_the_name_of_its_copy(folder):
    whole = read_folder(folder)[1]
    weights(lambda t: t.update({"lm_head.weight": t.pop("model.embed_tokens.weight")}))(folder)
    assert torch.equal(read_folder(folder)[1]["embedding.weight"], whole["embedding.weight"])


def test_names_without_the_prefix_are_understood(folder):
    whole = read_folder(folder)[1]
    file = folder / "model.safetensors"
    save_file({name.removeprefix("model."): tensor for name, tensor in load_file(file).items()}, file)
    assert read_folder(folder)[1].keys() == whole.keys()


def test_dtypes_are_those_of_the_file(folder):
    weights(lambda t: t.update({name: tensor.bfloat16() for name, tensor in t.items()}))(folder)
    assert {tensor.dtype for tensor in read_folder(folder)[1].values()} == {torch.bfloat16}
