"""A checkpoint comes back as it was, and a bad one is refused with words."""

import json
import struct
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import builders
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.documents import Document
from groundup.core.errors import ArtifactError, StorageError
from groundup.nn.load import load_model
from groundup.nn.transformer import Inputs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(200), "a")], [])
    return builders.build_tokenizer(folder / "tokenizer", documents, vocab_size=280)


@pytest.fixture
def checkpoint(tokenizer, tmp_path):
    return builders.build_training_run(tmp_path / "pretrain", tokenizer, tie_embeddings=False).final


@pytest.mark.parametrize("attention", ["sdpa", "matmul"])
def test_the_weights_come_back_exactly(checkpoint, attention):
    model = load_model(checkpoint, CPU, attention)
    saved = load_file(checkpoint.weights)
    assert model.state_dict().keys() == saved.keys()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())
    assert not model.training
    assert model(Inputs(torch.arange(8)[None])).isfinite().all()


def test_a_loaded_model_can_be_trained_on(checkpoint):
    model = load_model(checkpoint, CPU)
    model(Inputs(torch.arange(8)[None])).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_half_precision_weights_are_widened(checkpoint):
    save_file({name: tensor.bfloat16() for name, tensor in load_file(checkpoint.weights).items()}, checkpoint.weights)
    assert {p.dtype for p in load_model(checkpoint, CPU).parameters()} == {torch.float32}


def change_weights(change):
    def damage(checkpoint: Checkpoint):
        tensors = load_file(checkpoint.weights)
        change(tensors)
        save_file(tensors, checkpoint.weights)

    return damage


def change_settings(**changes):
    def damage(checkpoint: Checkpoint):
        settings = checkpoint.model_config | changes
        (checkpoint.path / "model.json").write_text(json.dumps(settings))

    return damage


def overwrite(data):
    return lambda checkpoint: checkpoint.weights.write_bytes(data)


def truncate(checkpoint):
    checkpoint.weights.write_bytes(checkpoint.weights.read_bytes()[:-100])


def write_settings(text):
    return lambda checkpoint: (checkpoint.path / "model.json").write_bytes(text)


NORM = "decoder.norm.weight"
DAMAGES = {
    "truncated": (truncate, "damaged or not a safetensors file"),
    "empty": (overwrite(b""), "damaged or not a safetensors file"),
    "pickle": (overwrite(b"\x80\x04K\x01."), "damaged or not a safetensors file"),
    "oversized header": (overwrite(struct.pack("<Q", 1 << 62) + b"{}"), "damaged or not a safetensors file"),
    "header beyond the file": (overwrite(struct.pack("<Q", 1000) + b"{}"), "damaged or not a safetensors file"),
    "missing tensor": (change_weights(lambda t: t.pop(NORM)), "tensor 'decoder.norm.weight' is missing"),
    "missing embedding": (change_weights(lambda t: t.pop("embedding.weight")), "embedding None"),
    "unknown tensor": (change_weights(lambda t: t.update(other=torch.ones(2))), "tensor 'other' has no place"),
    "wrong shape": (
        change_weights(lambda t: t.update({NORM: torch.ones(7)})),
        r"norm.weight' is \[7\].*asks for \[16\]",
    ),
    "whole numbers": (
        change_weights(lambda t: t.update({NORM: torch.ones(16, dtype=torch.int32)})),
        "torch.int32",
    ),
    "other width": (change_settings(ffn_dim=48), "asks for"),
    "vast depth": (change_settings(num_layers=9_999), "asks for 9999"),
    "vast tables": (change_settings(max_seq_len=1 << 20, head_dim=1 << 16), "model.json asks for"),
    "vast width": (change_settings(dim=1 << 20), r"asks for 2 and \[\d+, 1048576\]"),
    "vaster width": (change_settings(dim=1 << 40), "less than or equal to 1048576"),
    "impossible heads": (change_settings(num_heads=3), r"asks for \[24, 16\]"),
    "impossible depth": (change_settings(num_layers=10**12), "num_layers"),
    "unknown setting": (change_settings(nrom="rms"), "did you mean 'norm'"),
    "not JSON": (write_settings(b"{"), "not valid JSON"),
    "not UTF-8": (write_settings(b"\xff\xfe"), "not valid JSON"),
    "a list": (write_settings(b"[]"), r"model\.json"),
    "deep": (write_settings(b"[" * 100_000), "not valid JSON"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_bad_checkpoint_is_refused_with_words(checkpoint, name):
    damage, words = DAMAGES[name]
    damage(checkpoint)
    with pytest.raises(ArtifactError, match=words) as error:
        load_model(checkpoint, CPU)
    assert str(checkpoint.path) in str(error.value)
    assert "--force" in str(error.value)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_a_vanished_file_is_named(checkpoint, file):
    (checkpoint.path / file).unlink()
    with pytest.raises((ArtifactError, StorageError), match=file):
        load_model(checkpoint, CPU)


def test_a_model_is_read_without_the_compiler_that_torch_has() -> None:
    """Drawing weights that have no numbers would load it, for a second of processor time."""
    made = "our_shapes(ModelConfig(vocab_size=9, dim=8, num_layers=1, num_heads=1, num_kv_heads=1, ffn_dim=8, max_seq_len=4))"
    imports = "import sys; from groundup.nn.config import ModelConfig; from groundup.nn.tensors import our_shapes"
    code = f"{imports}; {made}; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
