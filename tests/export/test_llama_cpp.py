"""llama.cpp reads an exported file as groundup means it: the same tokens of a text, the same most likely tokens after one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import builders
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import Tokenizer
from groundup.export.gguf import GGUF_FILE
from groundup.export.verify import PAGE
from groundup.nn.generate import generate
from groundup.nn.gguf.read import open_gguf, read_gguf
from groundup.nn.load import model_of
from groundup.nn.sampling import Greedy
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.run import run as train_tokenizer

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

ASK = Path(__file__).parent / "llama_cpp_process.py"
PROMPTS = ("The function returns", "import os\n", "Once upon a time, there were 123")
LENGTH = 12
CUT = "In 2024, 1234567 of 7.89; HTTPServer'S don't I'LL\n\n  x\t ½ Ⅷ naïve русский 中文12 \u0661\u0662\u0663\u0664 end\n"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    documents = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(400), "a")], [])
    return builders.build_tokenizer(folder / "tokenizer", documents, vocab_size=300)


def ask(file, **order):
    command, order = [sys.executable, ASK, file], json.dumps(order)
    found = subprocess.run(command, check=False, input=order, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr[-2000:]
    return json.loads(found.stdout)


@pytest.mark.parametrize("heads", [{}, {"num_kv_heads": 2}, {"qk_norm": True}])
def test_llama_cpp_reads_and_writes_the_same_tokens(tokenizer, tmp_path, heads):
    training = builders.build_training_run(tmp_path / "pretrain", tokenizer, dim=64, ffn_dim=96, max_seq_len=64, **heads)
    file = api.export(training.final.path, tmp_path / "out", file_format="gguf", gguf_type="f16").path / GGUF_FILE
    found = ask(file, texts=[PAGE, *PROMPTS], prompts=PROMPTS, length=LENGTH)
    text = tokenizer.text
    assert found["tokens"] == [text.encode(asked) for asked in (PAGE, *PROMPTS)]
    model = model_of(*read_gguf(open_gguf(file)))
    with torch.inference_mode():
        ours = [
            list(generate(model, [*text.before_ids, *text.encode(prompt)], LENGTH, Greedy(), text.eos_id)) for prompt in PROMPTS
        ]
    assert [[token for token in answer if token != text.eos_id] for answer in found["answers"]] == ours


@pytest.mark.parametrize("name", ["gpt2", "gpt4"])
def test_llama_cpp_cuts_words_as_the_choice_of_the_tokenizer_says(tmp_path, name):
    documents = builders.build_documents(tmp_path / "curate", [Document("a:0", builders.word_salad(400) + 5 * CUT, "a")], [])
    config = TokenizerConfig(vocab_size=330, pre_tokenizer=name)
    made = builders.build(Tokenizer, tmp_path / "tokenizer", train_tokenizer, config, {"curate": documents})
    training = builders.build_training_run(tmp_path / "pretrain", made, dim=64, ffn_dim=96, max_seq_len=64)
    file = api.export(training.final.path, tmp_path / "out", file_format="gguf", gguf_type="f16").path / GGUF_FILE
    texts = [PAGE, CUT, *PROMPTS]
    assert ask(file, texts=texts, prompts=[], length=1)["tokens"] == [made.text.encode(text) for text in texts]
