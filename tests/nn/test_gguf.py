"""GGUF files: written and read as the same model, and refused with words where they are damaged or hostile."""

import struct

import pytest
import torch

import models
from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.formats import FORMATS
from groundup.nn.formats.base import expand
from groundup.nn.gguf.header import ARRAY, MAGIC, MAX_ENTRIES, MAX_ITEMS, STRING, check_header
from groundup.nn.gguf.layout import GgufLlama
from groundup.nn.gguf.read import open_gguf, read_gguf
from groundup.nn.gguf.write import FILE_TYPES, check_gguf, kind_of, rounded_weights, write_gguf
from groundup.nn.load import model_of
from groundup.nn.tensors import our_shapes
from groundup.nn.transformer import Inputs

gguf = pytest.importorskip("gguf")

SETTINGS = [
    {},
    {"rope_pairs": "neighbours", "tie_embeddings": False},
    {"bias": True, "head_dim": 16, "norm_eps": 1e-6, "rope_theta": 50_000.0},
    {"rope_scaling": "linear", "rope_factor": 2.0},
    {"qk_norm": True, "num_kv_heads": 1, "head_dim": 16},
]
HALF_PRECISION = 2e-6
"""Room for float32 sums taken in another order: dims of heads lie in the order of the file."""


def round_trip(path, model, kind="f32"):
    """Return the model read back, and ours with numbers rounded the same way."""
    write_gguf(path, model.config, model.state_dict(), {}, kind)
    config, weights = read_gguf(open_gguf(path))
    rounded = rounded_weights(model.config, model.state_dict(), kind)
    return model_of(config, weights), model_of(model.config, rounded)


def logits(model, length=40):
    with torch.inference_mode():
        return model(Inputs(models.some_tokens(2, length)))


@pytest.mark.parametrize("changes", SETTINGS, ids=lambda changes: "-".join(changes) or "plain")
def test_the_same_model_comes_back(tmp_path, changes):
    model = models.small_model(**changes)
    back, _ = round_trip(tmp_path / "model.gguf", model)
    unsaid = {"init_std": 0.02} | ({} if "qk_norm" in changes else {"rope_pairs": "neighbours"})
    assert back.config == model.config.model_copy(update=unsaid)
    torch.testing.assert_close(logits(back), logits(model), rtol=0, atol=HALF_PRECISION)


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_numbers_are_those_that_the_type_can_hold(tmp_path, kind):
    model = models.small_model(dim=64, ffn_dim=96, tie_embeddings=False)
    back, near = round_trip(tmp_path / "model.gguf", model, kind)
    torch.testing.assert_close(logits(back), logits(near), rtol=0, atol=HALF_PRECISION)
    lost = float((logits(back) - logits(model)).abs().max() / logits(model).abs().max())
    assert lost <= {"f32": 1e-6, "f16": 2e-3, "bf16": 2e-2, "q8_0": 5e-2, "q4_0": 0.6}[kind]


def test_queries_and_keys_lie_as_transformers_reads_them(tmp_path):
    """Its own reader of GGUF files puts them back into the order of halves."""
    utilities = pytest.importorskip("transformers.modeling_gguf_pytorch_utils")
    model = models.small_model()
    theirs = GgufLlama().to_theirs(model.state_dict(), model.config)
    wanted = FORMATS["llama"].to_theirs(model.state_dict(), model.config)
    processor = utilities.LlamaTensorProcessor(config={"num_attention_heads": 4, "num_key_value_heads": 2})
    for name in ("attn_q", "attn_k"):
        given = processor.process(weights=theirs[f"blk.0.{name}.weight"].numpy(), name=f"blk.0.{name}.weight").weights
        assert torch.equal(torch.as_tensor(given), wanted[f"model.layers.0.self_attn.{name[-1]}_proj.weight"])


def test_rows_that_are_no_whole_blocks_are_halved():
    assert kind_of("blk.0.ffn_up.weight", (96, 64), "q4_0") == "q4_0"
    assert kind_of("token_embd.weight", (96, 64), "q4_0") == "q8_0"
    assert kind_of("blk.0.ffn_down.weight", (64, 48), "q8_0") == "f16"
    assert kind_of("output_norm.weight", (64,), "q4_0") == "f32"


def test_every_tensor_has_one_place_on_both_sides():
    config = models.small_config(bias=True, tie_embeddings=False)
    ours = [part for row in expand(GgufLlama().rows(config), config) for part in row.ours]
    assert sorted(ours) == sorted(our_shapes(config))


@pytest.mark.parametrize("changes", [{"norm": "layer"}, {"feed_forward": "geglu"}, {"rope_scaling": "yarn"}, {"position": "alibi"}])
def test_what_gguf_cannot_hold_is_refused_by_name(changes):
    more = {"rope_factor": 2.0, "rope_original_len": 32} if "rope_scaling" in changes else {}
    key, value = next(iter(changes.items()))
    with pytest.raises(ConfigError, match=f"model.{key}='{value}'.*export.format=hf"):
        check_gguf(models.small_config(**changes, **more))


def text(words):
    return struct.pack("<Q", len(words)) + words.encode()


def head(tensors=0, keys=0, version=3):
    return MAGIC + struct.pack("<IQQ", version, tensors, keys)


HOSTILE = {
    "empty": (b"", "truncated"),
    "another file": (b"PK\3\4" + b"\0" * 40, "not a GGUF file"),
    "old version": (head(version=1), "version 1"),
    "other byte order": (MAGIC + struct.pack(">IQQ", 3, 0, 0), "other byte order"),
    "too many tensors": (head(tensors=1 << 62), "tensors is damaged or hostile"),
    "too many keys": (head(keys=MAX_ENTRIES + 1), "keys is damaged or hostile"),
    "keys that are not there": (head(keys=3), "truncated"),
    "long name": (head(keys=1) + struct.pack("<Q", 1 << 40), "a name of 1,099,511,627,776 bytes"),
    "long text": (head(keys=1) + text("a") + struct.pack("<IQ", STRING, 1 << 60), "asked for"),
    "unknown type": (head(keys=1) + text("a") + struct.pack("<I", 99), "unknown type 99"),
    "long list": (head(keys=1) + text("a") + struct.pack("<IIQ", ARRAY, 4, 1 << 60), "items of a list"),
    "list beyond the file": (head(keys=1) + text("a") + struct.pack("<IIQ", ARRAY, 10, MAX_ITEMS), "asked for"),
    "texts beyond the file": (head(keys=1) + text("a") + struct.pack("<IIQ", ARRAY, STRING, 1000), "truncated"),
    "list of lists": (head(keys=1) + text("a") + struct.pack("<IIQ", ARRAY, ARRAY, 1 << 20), "a list of type 9"),
    "many dims": (head(tensors=1) + text("a") + struct.pack("<I", 1 << 30), "dims of a tensor"),
    "tensor of unknown kind": (head(tensors=1) + text("a") + struct.pack("<IQIQ", 1, 8, 999, 0), "damaged or not a GGUF file"),
    "tensor beyond the file": (head(tensors=1) + text("a") + struct.pack("<IQIQ", 1, 8, 0, 1 << 50), "damaged or not a GGUF file"),
    "vast tensor": (head(tensors=1) + text("a") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 30, 0, 0), "damaged or not a GGUF file"),
    "name of no text": (head(keys=1) + struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<IB", 7, 1), "damaged or not a GGUF"),
    "one key twice": (head(keys=2) + (text("a") + struct.pack("<IB", 7, 1)) * 2, "damaged or not a GGUF file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damage_is_refused_with_words(tmp_path, name):
    data, words = HOSTILE[name]
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=words) as error:
        open_gguf(path)
    assert str(path) in str(error.value)


def test_every_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    model = models.small_model()
    write_gguf(path, model.config, model.state_dict(), {}, "f16")
    data = path.read_bytes()
    for size in [*range(0, 2000, 37), len(data) - 1, len(data) // 2]:
        path.write_bytes(data[:size])
        with pytest.raises(ArtifactError):
            read_gguf(open_gguf(path))


def metadata_of(path, **changes):
    """Return an opened file with other metadata; None takes a key out."""
    file = open_gguf(path)
    named = {key.replace("__", "."): value for key, value in changes.items()}
    metadata = {key: value for key, value in {**file.metadata, **named}.items() if value is not None}
    return type(file)(file.path, metadata, file.tensors)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"general__architecture": "mamba"}, ConfigError, "general.architecture='mamba'"),
        ({"general__architecture": None}, ConfigError, "known: llama, qwen3"),
        ({"llama__block_count": None}, ConfigError, "its metadata: 'llama.block_count' is missing"),
        ({"llama__block_count": 9_999}, ArtifactError, "too few for the 9999 layers that its metadata asks for"),
        ({"llama__block_count": "two"}, ConfigError, "should be a whole number"),
        ({"llama__attention__head_count": 3}, (ArtifactError, ConfigError), "asks for|multiple"),
        ({"llama__embedding_length": 1 << 20}, ArtifactError, "asks for"),
        ({"llama__context_length": 1 << 19, "llama__attention__key_length": 1 << 15}, ConfigError, "value_length"),
        ({"llama__rope__scaling__type": "yarn"}, ConfigError, "rope.scaling.type='yarn' is not among"),
        ({"llama__expert_count": 8}, ConfigError, "expert_count=8"),
        ({"llama__rope__dimension_count": 4}, ConfigError, "dimension_count=4"),
    ],
)
def test_settings_that_we_lack_are_refused_with_words(tmp_path, changes, error, words):
    path = tmp_path / "model.gguf"
    model = models.small_model()
    write_gguf(path, model.config, model.state_dict(), {}, "f16")
    with pytest.raises(error, match=words) as raised:
        read_gguf(metadata_of(path, **changes))
    assert str(path) in str(raised.value)


def test_the_header_of_a_good_file_passes(tmp_path):
    model = models.small_model()
    write_gguf(tmp_path / "model.gguf", model.config, model.state_dict(), {"tokenizer.ggml.tokens": ["a", "ü"]}, "f16")
    check_header(tmp_path / "model.gguf")
