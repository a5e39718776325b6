"""Checkpoints of other tools become ones of groundup's that every command takes; what is wrong is refused with words."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import builders
import models
from groundup import api
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer
from groundup.core.errors import ArtifactError, ConfigError, VerificationError
from groundup.lineage import lineage
from groundup.nn.formats import FORMATS, Ids
from groundup.nn.formats.llama2c import HEADER, file_order
from groundup.nn.load import load_model
from groundup.nn.positions.rotary import rotary_table
from groundup.nn.transformer import Inputs, build_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(200), "a")], [])
    return builders.build_tokenizer(folder / "tokenizer", documents, vocab_size=280)


def small(tokenizer, **changes):
    model = build_model(models.small_config(**{**changes, "vocab_size": tokenizer.text.vocab_size}))
    model.init_weights(torch.Generator().manual_seed(3))
    return model.eval()


def write_folder(folder, family, model, tokenizer):
    """Write a Hugging Face folder as another tool would."""
    folder.mkdir()
    data = FORMATS[family].write_config(model.config, Ids(eos=tokenizer.text.eos_id, pad=FORMATS[family].padding))
    (folder / "config.json").write_text(json.dumps(data))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS_TOKEN})
    )
    (folder / "tokenizer.json").write_bytes((tokenizer.path / TOKENIZER_FILE).read_bytes())
    save_file(FORMATS[family].to_theirs(model.state_dict(), model.config), folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def folder(tokenizer, tmp_path):
    return write_folder(tmp_path / "theirs", "llama", small(tokenizer), tokenizer)


def write_llama2c(path, model):
    config, weights = model.config, model.state_dict()
    sizes = (
        config.dim,
        config.ffn_dim,
        config.num_layers,
        config.num_heads,
        config.num_kv_heads,
        config.vocab_size,
        config.max_seq_len,
    )
    table = torch.cat([part.flatten() for part in rotary_table(config)])
    numbers = torch.cat([(weights[name] if name else table).flatten() for name in file_order(config)])
    path.write_bytes(HEADER.pack(*sizes) + numbers.numpy().astype("<f4").tobytes())
    return path


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "roberta", "t5"])
def test_a_folder_becomes_a_checkpoint(tokenizer, tmp_path, family):
    pytest.importorskip("transformers")
    model = small(tokenizer, **models.FAMILIES[family])
    source = write_folder(tmp_path / "theirs", family, model, tokenizer)
    checkpoint = api.import_checkpoint(source, tmp_path / "ours")
    found = checkpoint.imported
    assert (found["format"], found["verified"]) == (family, True)
    assert found["max_logit_difference"] < 1e-4
    assert checkpoint.manifest.counts["step"] == checkpoint.manifest.counts["tokens"] == 0
    assert found["params"] == sum(tensor.numel() for tensor in model.state_dict().values())
    tokens = torch.arange(20)[None]
    inputs = Inputs(tokens, source=Inputs(tokens) if family == "t5" else None)
    with torch.inference_mode():
        torch.testing.assert_close(load_model(checkpoint, CPU)(inputs), model(inputs), rtol=0, atol=1e-5)


def test_a_checkpoint_in_the_current_folder_is_exported(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    api.import_checkpoint(folder, Path("ours"), verify=False)
    assert api.export(Path("ours"), Path("exported"), verify=False).result["format"] == "hf"


def test_every_command_takes_an_imported_checkpoint(folder, tmp_path):
    out = tmp_path / "ours"
    api.import_checkpoint(folder, out)
    assert isinstance("".join(api.generate(out, "The array", greedy=True, max_new_tokens=5)), str)
    (tmp_path / "text.txt").write_text("The array returns the shape. " * 20)
    assert api.evaluate(out, tmp_path / "text.txt")["bits_per_byte"] > 0
    exported = api.export(out, tmp_path / "exported")
    assert exported.result["verified"] is True
    card = (exported.path / "README.md").read_text()
    assert "brought in from another tool" in card
    assert "trained-from-scratch" not in card
    assert not lineage(out, verify=True).problems
    again = api.import_checkpoint(exported.path, tmp_path / "again")
    assert again.content_hash == Checkpoint.open(out).content_hash, "out and in again nothing changes"


def test_the_same_source_is_imported_once_and_a_changed_one_is_refused(folder, tmp_path):
    first = api.import_checkpoint(folder, tmp_path / "ours", verify=False)
    assert api.import_checkpoint(folder, tmp_path / "ours", verify=False).manifest == first.manifest
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArtifactError, match="made with other settings or inputs"):
        api.import_checkpoint(folder, tmp_path / "ours", verify=False)


def test_weights_keep_their_dtype(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    checkpoint = api.import_checkpoint(folder, tmp_path / "ours")
    assert {tensor.dtype for tensor in load_file(checkpoint.weights).values()} == {torch.bfloat16}


def test_a_llama2c_file_becomes_a_checkpoint(tokenizer, tmp_path):
    model = small(tokenizer, rope_pairs="neighbours")
    path = write_llama2c(tmp_path / "model.bin", model)
    with pytest.raises(ConfigError, match="hold no tokenizer; say --tokenizer"):
        api.import_checkpoint(path, tmp_path / "ours")
    checkpoint = api.import_checkpoint(path, tmp_path / "ours", tokenizer.file)
    assert checkpoint.imported == {
        "format": "llama2c",
        "params": checkpoint.manifest.counts["params"],
        "verified": True,
        "max_logit_difference": None,
    }
    loaded = load_model(checkpoint, CPU).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_the_tokenizer_may_be_another_file(folder, tokenizer, tmp_path):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        api.import_checkpoint(folder, tmp_path / "ours")
    checkpoint = api.import_checkpoint(folder, tmp_path / "ours", tokenizer.file)
    assert TextTokenizer.from_file(checkpoint.tokenizer_file).encode("The array") == tokenizer.text.encode("The array")


def test_a_tokenizer_of_another_model_is_refused(tokenizer, tmp_path):
    model = models.small_model()
    folder = write_folder(tmp_path / "theirs", "llama", model, tokenizer)
    with pytest.raises(ConfigError, match=r"has 280 tokens, and the model has rows for 61.*--tokenizer"):
        api.import_checkpoint(folder, tmp_path / "ours")


def test_numbers_that_are_none_are_refused(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = torch.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArtifactError, match="not finite numbers"):
        api.import_checkpoint(folder, tmp_path / "ours")
    assert not (tmp_path / "ours" / "manifest.json").exists()
    assert api.import_checkpoint(folder, tmp_path / "ours", verify=False).imported["verified"] is False


def test_another_result_in_transformers_is_found(folder, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("groundup.hub.verify.their_results", lambda *_: torch.ones(()))
    with pytest.raises(VerificationError, match=r"results in transformers differ by up to .*--no-verify"):
        api.import_checkpoint(folder, tmp_path / "ours")


PICKLES = {
    "suffix": ("model.pt", b"anything"),
    "zip": ("model.bin", b"PK\x03\x04" + b"\0" * 60),
    "protocol 2": ("model.bin", b"\x80\x02}q\x00." + b"\0" * 60),
    "checkpoint": ("epoch.ckpt", b""),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_are_refused_with_the_way_out(tmp_path, name):
    file, data = PICKLES[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(ArtifactError, match=r"a pickle, which can run code.*save_pretrained"):
        api.import_checkpoint(tmp_path / file, tmp_path / "ours")


def test_what_is_no_checkpoint_is_refused_with_words(folder, tmp_path):
    with pytest.raises(ConfigError, match="no such file or folder"):
        api.import_checkpoint(tmp_path / "nothing", tmp_path / "ours")
    with pytest.raises(ConfigError, match="a file of a Hugging Face folder; give the folder"):
        api.import_checkpoint(folder / "model.safetensors", tmp_path / "ours")
    (tmp_path / "short.bin").write_bytes(struct.pack("<7i", *range(7)))
    with pytest.raises((ArtifactError, ConfigError), match="llama2"):
        api.import_checkpoint(tmp_path / "short.bin", tmp_path / "ours", folder / "tokenizer.json")
    with pytest.raises(ConfigError, match=r"--tokenizer .*: no such file"):
        api.import_checkpoint(folder, tmp_path / "ours", tmp_path / "nothing")
    (folder / "model.safetensors").write_bytes(b"\0" * 10)
    with pytest.raises(ArtifactError, match="damaged or not a safetensors file"):
        api.import_checkpoint(folder, tmp_path / "ours")
    assert not (tmp_path / "ours" / "manifest.json").exists()
