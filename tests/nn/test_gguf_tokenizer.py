"""Tokenizers of GGUF files give the tokens of the library that trained them, and are refused with words where they are damaged."""

import io

import pytest

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.gguf.tokenizer import KEY, read_tokenizer

TEXTS = ("The cat sat on the mat.", "the  cat,\n\tthe 42 mats", "émigré 😀 naïve", "", "a", "<s> the", "thethethe cats")
SMALL = {
    "model": "gpt2",
    "pre": "qwen2",
    "tokens": ["<e>", "a", "b", "ab"],
    "token_type": [3, 1, 1, 1],
    "merges": ["a b"],
    "eos_token_id": 0,
}


def metadata(**changes):
    return {f"{KEY}{name}": value for name, value in {**SMALL, **changes}.items() if value is not None}


def as_metadata(processor):
    """Return what a GGUF file holds of a SentencePiece model."""
    ids = range(processor.vocab_size())
    kind = lambda i: 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1  # noqa: E731
    return {
        f"{KEY}model": "llama",
        f"{KEY}tokens": [processor.id_to_piece(i) for i in ids],
        f"{KEY}scores": [float(processor.get_score(i)) for i in ids],
        f"{KEY}token_type": [kind(i) for i in ids],
        f"{KEY}bos_token_id": processor.bos_id(),
        f"{KEY}eos_token_id": processor.eos_id(),
        f"{KEY}unknown_token_id": processor.unk_id(),
    }


def test_pieces_are_those_of_sentencepiece():
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["The cat sat on the mat.", "the cats and the mats", "that hat of the cat"] * 20),
        model_writer=written,
        model_type="bpe",
        vocab_size=300,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    tokenizer = TextTokenizer(*read_tokenizer(as_metadata(processor), "test"), "test")
    assert (tokenizer.before_ids, tokenizer.eos_id) == ([processor.bos_id()], processor.eos_id())
    for text in TEXTS:
        assert tokenizer.encode(text) == processor.encode(text), text
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bytes_are_merged_in_order():
    tokenizer = TextTokenizer(*read_tokenizer(metadata(), "test"), "test")
    assert tokenizer.encode("abab ba"[:4]) == [3, 3]
    assert tokenizer.before_ids == []


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": "bert"}, ConfigError, "ggml.model='bert'; groundup reads gpt2, llama: give --tokenizer"),
        ({"model": None}, ConfigError, "ggml.model=None"),
        ({"pre": "falcon"}, ConfigError, "ggml.pre='falcon'"),
        ({"tokens": None}, ArtifactError, "tokens is missing or damaged"),
        ({"tokens": [1, 2]}, ArtifactError, "tokens is missing or damaged"),
        ({"token_type": [1]}, ArtifactError, "4 tokens and 1 types"),
        ({"tokens": ["a", "a", "b", "ab"]}, ArtifactError, "two tokens have one name"),
        ({"merges": ["a b c"]}, ArtifactError, "the merge 'a b c' is not of two tokens"),
        ({"merges": ["a z"]}, ArtifactError, "its tokenizer is damaged"),
        ({"eos_token_id": 99}, ArtifactError, "eos_token_id=99 is none of 4 tokens"),
        ({"eos_token_id": -1}, ArtifactError, "eos_token_id=-1 is none of"),
        ({"eos_token_id": None}, ConfigError, "texts would have no end"),
        ({"model": "llama"}, ArtifactError, "scores is missing"),
        ({"model": "llama", "scores": [0.0]}, ArtifactError, "4 tokens and 1 scores"),
        (
            {"model": "llama", "scores": [0.0] * 4, "tokens": ["<e>", "a", "b", "x" * 10_000]},
            ArtifactError,
            "a token of 10,000 characters",
        ),
    ],
)
def test_what_is_damaged_or_unknown_is_refused_with_words(changes, error, words):
    with pytest.raises(error, match=words):
        read_tokenizer(metadata(**changes), "file.gguf")
