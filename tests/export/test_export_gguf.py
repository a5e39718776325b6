"""An exported GGUF file holds the model and its tokenizer, rounded as asked for."""

import json

import pytest
import torch
from huggingface_hub import ModelCard

import builders
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE
from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer, read_engine
from groundup.core.errors import ConfigError, VerificationError
from groundup.export.config import ExportConfig
from groundup.export.gguf import GGUF_FILE
from groundup.export.run import check
from groundup.export.verify import PAGE
from groundup.nn.gguf.read import open_gguf
from groundup.nn.gguf.tokenizer import KEY, SPLITS, read_tokenizer, split_name, write_tokenizer
from groundup.nn.load import load_model
from groundup.nn.transformer import Inputs

pytest.importorskip("gguf")

SUMS_IN_ANOTHER_ORDER = 1e-4
"""Room for float32 sums: dims of heads lie in another order in the file, and the logits of these weights are of order 10."""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(400), "a")], [])
    return builders.build_tokenizer(folder / "tokenizer", documents, vocab_size=300)


@pytest.fixture(scope="module")
def training(tokenizer, tmp_path_factory):
    sizes = {"dim": 64, "ffn_dim": 96, "num_kv_heads": 2, "max_seq_len": 64}
    return builders.build_training_run(tmp_path_factory.mktemp("run") / "pretrain", tokenizer, **sizes)


def export(training, out, **settings):
    return api.export(training.final.path, out, file_format="gguf", **settings)


@pytest.mark.parametrize("kind", [None, "bf16", "q8_0", "q4_0"])
def test_the_file_is_proven(training, tmp_path, kind):
    exported = export(training, tmp_path / "out", gguf_type=kind)
    found = exported.result
    assert (found["format"], found["gguf_type"], found["verified"]) == ("gguf", kind or "f16", True)
    assert 0 <= found["max_logit_difference"] < SUMS_IN_ANOTHER_ORDER
    assert (exported.path / GGUF_FILE).is_file()
    card = ModelCard.load(exported.path / "README.md")
    assert card.data.library_name == "gguf"
    assert "llama-cli -m model.gguf" in card.text
    for word in ("None", "{{", "AutoModel"):
        assert word not in card.text, word


def test_a_file_comes_back_in(training, tmp_path):
    export(training, tmp_path / "out", gguf_type="f32")
    checkpoint = api.import_checkpoint(tmp_path / "out" / GGUF_FILE, tmp_path / "again")
    tokens = torch.arange(40)[None]
    with torch.inference_mode():
        ours, again = (load_model(each, torch.device("cpu")) for each in (training.final, checkpoint))
        inputs = Inputs(tokens)
        torch.testing.assert_close(again(inputs), ours(inputs), rtol=0, atol=SUMS_IN_ANOTHER_ORDER)
    settings = {"greedy": True, "max_new_tokens": 8}
    assert "".join(api.generate(checkpoint.path, "The", **settings)) == "".join(api.generate(training.path, "The", **settings))


def test_the_tokenizer_is_named_as_llama_cpp_knows_it(tokenizer, training, tmp_path):
    metadata = open_gguf(export(training, tmp_path / "out", verify=False).path / GGUF_FILE).metadata
    assert (metadata[f"{KEY}model"], metadata[f"{KEY}pre"]) == ("gpt2", "qwen2")
    assert metadata[f"{KEY}eos_token_id"] == metadata[f"{KEY}bos_token_id"] == tokenizer.text.eos_id
    assert metadata[f"{KEY}add_bos_token"] is True, "groundup's texts open with the end of the one before"
    engine, special = read_tokenizer(metadata, "test")
    theirs = TextTokenizer(engine, special, "test")
    for text in (PAGE, "", " ", "1234 x\n\n y", f"a{special.eos}b"):
        assert theirs.encode(text) == tokenizer.text.encode(text)
        assert theirs.decode(theirs.encode(text)) == text


@pytest.mark.parametrize("name", SPLITS)
def test_every_split_is_found_by_its_name(tokenizer, name):
    engine = read_engine(tokenizer.file)
    engine.pre_tokenizer = SPLITS[name]()
    assert split_name(json.loads(engine.to_str())) == name
    metadata = write_tokenizer(tokenizer.text, engine, tokenizer.text.vocab_size + 3)
    back = TextTokenizer(*read_tokenizer(metadata, "test"), "test")
    assert back.encode(PAGE) == TextTokenizer(engine, tokenizer.text.special, "test").encode(PAGE)


def test_a_tokenizer_that_gguf_has_no_name_for_is_refused(tokenizer, training, tmp_path):
    checkpoint = training.final
    data = json.loads(checkpoint.tokenizer_file.read_text())
    whole = checkpoint.tokenizer_file.read_bytes()
    data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+|\W+"
    checkpoint.tokenizer_file.write_text(json.dumps(data).ljust(len(whole)))
    try:
        engine = read_engine(checkpoint.tokenizer_file)
        with pytest.raises(ConfigError, match=r"whose split llama.cpp knows \(qwen2, .*export.format=hf"):
            write_tokenizer(TextTokenizer.from_file(checkpoint.tokenizer_file), engine, 300)
    finally:
        checkpoint.tokenizer_file.write_bytes(whole)
    assert {TOKENIZER_FILE, SPECIAL_TOKENS_FILE} <= set(checkpoint.manifest.files)


def test_what_has_no_effect_or_no_place_is_refused(training, tmp_path):
    with pytest.raises(ConfigError, match=r"gguf_type=q8_0 has no effect with format=hf"):
        api.export(training.path, tmp_path / "out", gguf_type="q8_0")
    with pytest.raises(ConfigError, match="gguf_type"):
        export(training, tmp_path / "out", gguf_type="q3_k")
    config = load_model(training.final, torch.device("cpu")).config.model_copy(update={"norm": "layer"})
    with pytest.raises(ConfigError, match=r"model.norm='layer'.*export.format=hf"):
        check(ExportConfig(format="gguf"), [config])


def test_another_number_in_the_file_is_found(training, tmp_path, monkeypatch):
    name = "decoder.norm.weight"
    monkeypatch.setattr("groundup.export.gguf.rounded_weights", lambda _, weights, __: {**weights, name: weights[name] * 2})
    with pytest.raises(VerificationError, match="differ by up to"):
        export(training, tmp_path / "out")
