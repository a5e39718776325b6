"""Every choice of normalisation and of words: nothing lost that is not said, the same everywhere, known to llama.cpp or refused."""

import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import build, build_documents, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.special_tokens import UNK_TOKEN
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.core.errors import ConfigError, VerificationError
from groundup.nn.gguf.tokenizer import read_tokenizer, write_tokenizer
from groundup.pipeline import check_line, line_folders, stages_until
from groundup.recipe import Recipe
from groundup.tokenizer import run as tokenizer_run
from groundup.tokenizer.config import (
    CHAT,
    IN_GGUF,
    NormalisationName,
    PreTokenizerName,
    SpecialConfig,
    TokenizerConfig,
    TrainedAlgorithm,
)
from groundup.tokenizer.preparation import BLOCK_CHARACTERS, NORMALISERS, Preparation, blocks
from groundup.tokenizer.trained import Trained
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.verify import PROBE, verify
from groundup.tokenizer.words import PATTERNS

TEXTS = [word_salad(150, seed) + PROBE + "In 2024, 123456 of 7.89; HTTPServer'S don't\n" for seed in range(4)]
TEXT = st.one_of(st.text(), st.text("aB1 é\n'.e\u0301Ⅷ中🙂\t"), st.lists(st.sampled_from(PROBE.split(" "))).map(" ".join))
GGUF_NAMES: dict[PreTokenizerName, str] = {"digits": "qwen2", "gpt2": "gpt-2", "gpt4": "llama-bpe"}
LOSSLESS: dict[NormalisationName, Any] = {
    "none": str,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "lower": lambda text: "".join(character.lower() for character in text),
}


def trained(algorithm: TrainedAlgorithm, preparation: Preparation) -> TextTokenizer:
    config = TokenizerConfig(algorithm=algorithm, vocab_size=500)
    engine = TRAINERS[algorithm](TEXTS, 500, config.special_names.distinct(), preparation).engine
    return TextTokenizer(engine, config.special_names, algorithm)


NOT_SAFE = ("unigram", "whitespace")
"""Refused: a text could spell a special token."""
CASES = [
    *(
        (algorithm, Preparation(pre_tokenizer=name))
        for algorithm in ("bpe", "unigram")
        for name in PATTERNS
        if (algorithm, name) != NOT_SAFE
    ),
    *((algorithm, Preparation(normalisation=name)) for algorithm in TRAINERS for name in NORMALISERS if name != "none"),
]
MADE = {case: trained(*case) for case in CASES}  # type: ignore[arg-type]
FAST = {case: FastEncoder.of(tokenizer) for case, tokenizer in MADE.items()}
NAMES = [f"{algorithm}-{made.normalisation}-{made.pre_tokenizer}" for algorithm, made in CASES]


def test_tables_hold_the_names_of_the_settings() -> None:
    assert set(PATTERNS) == set(get_args(PreTokenizerName))
    assert set(NORMALISERS) == set(get_args(NormalisationName))
    assert set(IN_GGUF) == set(GGUF_NAMES)


@pytest.mark.parametrize("setting", [{"pre_tokenizer": "gpt4o"}, {"normalisation": "nfc"}])
def test_a_line_that_would_end_in_such_a_file_is_refused_before_it_begins(setting: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    sources = {"sources": [{"name": "a", "path": str(tmp_path / "texts")}]}
    data = {"name": "x", "curate": sources, "tokenizer": setting, "export": {"format": "gguf"}, "budget": {"minutes": 1}}
    (tmp_path / "texts" / "a.txt").write_text("text")
    with pytest.raises(ConfigError, match=rf"export.format=gguf with tokenizer.{next(iter(setting))}"):
        check_line(Recipe.parse(data, "test"), line_folders(tmp_path / "run"), stages_until("export"), None)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
@given(text=TEXT)
@example(text=PROBE)
@settings(max_examples=50, deadline=None)
def test_tokens_are_those_of_the_normalised_text_and_the_fast_encoder_gives_them(case: Any, text: str) -> None:
    tokenizer, preparation = MADE[case], case[1]
    ids = tokenizer.encode(text)
    assert FAST[case].encode(text).tolist() == ids
    if case[0] != "wordpiece":
        assert tokenizer.decode(ids) == preparation.normalise(text)
    if UNK_TOKEN in tokenizer.special.distinct() and case[0] == "unigram":
        assert tokenizer.id_of(UNK_TOKEN) not in ids


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_no_slow_way(case: Any) -> None:
    assert FAST[case].name == ("tiktoken" if case[0] == "bpe" else "words")


@pytest.mark.parametrize("name", LOSSLESS)
def test_normalisation_is_that_of_unicode(name: NormalisationName) -> None:
    """Each library has its own edition of Unicode, so characters since the oldest of them are left out."""
    change = Preparation(normalisation=name).normalise
    for text in (PROBE, "ÅßİΣς ǆ ﬃ ² Å e\u0323\u0301 각 한국 ｶﾞ", word_salad(20)):
        assert change(text) == LOSSLESS[name](text)


@pytest.mark.parametrize("name", PATTERNS)
@given(text=TEXT)
@settings(max_examples=50, deadline=None)
def test_words_make_up_the_text(name: PreTokenizerName, text: str) -> None:
    preparation = Preparation(pre_tokenizer=name)
    words = preparation.words(text)
    assert "".join(words) == text
    assert words == [word for word, _ in preparation.splitter.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "digits": ["In", " ", "2", "0", "2", "4", " HTTPServer", "'S", "!!\n"],
        "gpt2": ["In", " 2024", " HTTPServer", "'", "S", "!!", "\n"],
        "gpt4": ["In", " ", "202", "4", " HTTPServer", "'S", "!!\n"],
        "gpt4o": ["In", " ", "202", "4", " HTTPServer'S", "!!\n"],
        "whitespace": ["In", " 2024", " HTTPServer'S!!", "\n"],
    }.items(),
)
def test_what_a_token_may_span(name: PreTokenizerName, words: list[str]) -> None:
    assert Preparation(pre_tokenizer=name).words("In 2024 HTTPServer'S!!\n") == words


@given(text=st.text("ab \n.é"), size=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_blocks_make_up_the_text_and_end_where_words_do(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundup.tokenizer.preparation.BLOCK_CHARACTERS", size)
        parts = list(blocks(text))
    assert "".join(parts) == text
    assert all(len(part) <= size for part in parts)
    for name in PATTERNS:
        words = Preparation(pre_tokenizer=name).words
        whole, place = set(), 0
        for word in words(text):
            place += len(word)
            whole.add(place)
        place = 0
        for part, after in pairwise(parts):
            place += len(part)
            assert place in whole or len(part) == size or not after.startswith(" ")
    assert size < BLOCK_CHARACTERS


@pytest.mark.parametrize("name", PATTERNS)
def test_gguf_names_the_words_or_is_refused(name: PreTokenizerName) -> None:
    tokenizer = MADE["bpe", Preparation(pre_tokenizer=name)]
    if name not in GGUF_NAMES:
        with pytest.raises(ConfigError, match=r"whose split llama.cpp knows"):
            write_tokenizer(tokenizer, tokenizer.engine, tokenizer.vocab_size)
        return
    metadata = write_tokenizer(tokenizer, tokenizer.engine, tokenizer.vocab_size)
    assert metadata["tokenizer.ggml.pre"] == GGUF_NAMES[name]
    back = TextTokenizer(*read_tokenizer(metadata, "test"), "test")
    assert back.encode(PROBE) == tokenizer.encode(PROBE)


@pytest.mark.parametrize("name", [name for name in NORMALISERS if name != "none"])
def test_gguf_has_no_normalised_text(name: NormalisationName) -> None:
    tokenizer = MADE["bpe", Preparation(normalisation=name)]
    with pytest.raises(ConfigError, match=r"normalises its text.*tokenizer\.normalisation: none"):
        write_tokenizer(tokenizer, tokenizer.engine, tokenizer.vocab_size)


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"algorithm": "wordpiece", "pre_tokenizer": "gpt2"}, "pre_tokenizer='gpt2' has no effect"),
        ({"algorithm": "unigram", "pre_tokenizer": "whitespace"}, "spell the name of a special"),
        ({"algorithm": "import", "path": "x", "normalisation": "nfc"}, "normalisation has no effect on an imported"),
        ({"pre_tokenizer": "gpt5"}, "pre_tokenizer"),
    ],
)
def test_settings_that_do_not_go_together(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig.parse(given_settings, "recipe.yaml")


def test_chat_tokens_are_there_and_no_text_spells_them() -> None:
    special = SpecialConfig(chat=True)
    names = special.names.distinct()
    engine = TRAINERS["bpe"](TEXTS, 500, names, Preparation(pre_tokenizer="whitespace")).engine
    tokenizer = TextTokenizer(engine, special.names, "chat")
    assert names[1:] == tuple(f"<|{part}|>" for part in CHAT)
    ids = {tokenizer.id_of(name) for name in names}
    assert len(ids) == 6
    assert not ids & set(tokenizer.encode("".join(names) + " ".join(names)))


def test_a_tokenizer_that_its_library_does_not_bear_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = MADE["bpe", Preparation()]
    other = MADE["bpe", Preparation(pre_tokenizer="gpt2")]
    with pytest.raises(VerificationError, match="training library"):
        verify(tokenizer, Trained(tokenizer.engine, lambda text, ids: other.encode(text) == ids), TEXTS)

    class Wrong(FastEncoder):
        @classmethod
        def of(cls, tokenizer: TextTokenizer) -> FastEncoder:
            return FastEncoder.of(other)

    monkeypatch.setattr("groundup.tokenizer.verify.FastEncoder", Wrong)
    documents = build_documents(tmp_path / "curate", [Document("a/0", TEXTS[0], "a")], [])
    with pytest.raises(VerificationError, match="tiktoken encoder"):
        build(Tokenizer, tmp_path / "tokenizer", tokenizer_run.run, TokenizerConfig(vocab_size=400), {"curate": documents})
    assert not (tmp_path / "tokenizer" / "manifest.json").exists()
