"""Contract of every trainer of a tokenizer, and what is particular to Unigram and WordPiece."""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import build, build_documents
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import EOS_TOKEN, UNK_TOKEN
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.core.errors import ConfigError
from groundup.tokenizer import unigram
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig, TrainedAlgorithm
from groundup.tokenizer.run import run
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.unigram import BYTE_TOKENS, END_MARK

SPECIAL = SpecialConfig(mask=True, sentinels=5)
EXACT = ("bpe", "unigram")


def invented(seed: int) -> str:
    """Return text of a language with 600 words."""
    choose = random.Random(seed)
    words = [word.capitalize() if len(word) % 3 == 0 else word for word in map("".join, itertools.product(STARTS, MIDDLES, ENDS))]
    return " ".join(choose.choices(words, k=400)) + "\ndef f(x):\n\treturn [1, 22]\n中文 naïve\n"


STARTS, MIDDLES, ENDS = (
    ("ba", "tro", "e", "ki", "shu", "mo", "la", "qui", "pre", "u"),
    ("n", "rt", "l", "ss", "d", "v"),
    ("a", "ing", "er", "o", "ed", "um", "is", "ie", "et", "an"),
)
TEXTS = tuple(map(invented, range(8)))
ODD = "\0\r\n\u2028\ufeff\U0010ffff é e\u0301 ﬁ Ⅷ ½ 𝟘 \u00a0\u3000 x ▁ \ue000\ue001 <0x41><0xFF> Ġ ##ing"


def settings_of(algorithm: TrainedAlgorithm, vocab_size: int = 400) -> TokenizerConfig:
    return TokenizerConfig(algorithm=algorithm, vocab_size=vocab_size, special=SPECIAL)


def train(algorithm: TrainedAlgorithm, texts: Any = TEXTS, vocab_size: int = 400) -> Any:
    return TRAINERS[algorithm](texts, vocab_size, settings_of(algorithm).special_names.distinct()).engine


def text_tokenizer(algorithm: TrainedAlgorithm) -> TextTokenizer:
    return TextTokenizer(train(algorithm), settings_of(algorithm).special_names, algorithm)


TOKENIZERS = {algorithm: text_tokenizer(algorithm) for algorithm in TRAINERS}


def test_table_holds_the_names_of_the_settings() -> None:
    assert set(TRAINERS) == set(get_args(TrainedAlgorithm))


@pytest.mark.parametrize("algorithm", TRAINERS)
def test_vocabulary_has_the_size_asked_for(algorithm: TrainedAlgorithm) -> None:
    tokenizer = TOKENIZERS[algorithm]
    assert tokenizer.vocab_size == 400
    names = settings_of(algorithm).special_names.distinct()
    assert [tokenizer.token(number) for number in range(len(names))] == list(names)
    assert names[0] == EOS_TOKEN
    assert (UNK_TOKEN in names) == (algorithm != "bpe")
    assert len({tokenizer.token(number) for number in range(400)}) == 400


@pytest.mark.parametrize("algorithm", TRAINERS)
@given(
    text=st.one_of(
        st.text(), st.lists(st.sampled_from([*TEXTS[0].split(" ")[:20], EOS_TOKEN, "<|mask|>", " ", "<0x41>"])).map("".join)
    )
)
@example(text="")
@example(text=ODD)
@example(text=" " * 500 + "\n" * 7 + "\t ")
@settings(max_examples=150, deadline=None)
def test_tokens_of_any_text(algorithm: TrainedAlgorithm, text: str) -> None:
    """Ids lie in the vocabulary, none is special but for the unknown, and the way back is exact where it is said to be."""
    tokenizer = TOKENIZERS[algorithm]
    ids = tokenizer.encode(text)
    assert tokenizer.encode_batch([text]) == [ids]
    assert all(0 <= token < tokenizer.vocab_size for token in ids)
    special = {tokenizer.id_of(name) for name in tokenizer.special.distinct()}
    if algorithm in EXACT:
        assert not special & set(ids)
        assert tokenizer.decode(ids) == text
    else:
        assert special & set(ids) <= {tokenizer.id_of(UNK_TOKEN)}


@pytest.mark.parametrize("algorithm", TRAINERS)
def test_order_of_texts_and_number_of_threads_do_not_matter(algorithm: TrainedAlgorithm) -> None:
    script = (
        "import sys, json; from groundup.tokenizer.trainers import TRAINERS; texts, names = json.load(sys.stdin); "
        f"sys.stdout.write(TRAINERS['{algorithm}'](texts, 400, names).engine.to_str())"
    )
    given = json.dumps([TEXTS[::-1], settings_of(algorithm).special_names.distinct()])
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, text=True, env=environment, check=True
    )
    assert answer.stdout == train(algorithm).to_str()


@pytest.mark.parametrize("algorithm", TRAINERS)
@pytest.mark.parametrize(
    "texts", [("abab abab",), ("中文字符日本語かな\n",), ("\0\0",), ("▁",)], ids=["few", "many", "none", "space"]
)
def test_little_text_gives_a_smaller_vocabulary(algorithm: TrainedAlgorithm, texts: tuple[str, ...]) -> None:
    engine = train(algorithm, texts)
    assert len(settings_of(algorithm).special_names.distinct()) <= engine.get_vocab_size() < 300


@pytest.mark.parametrize("vocab_size", range(264, 270))
def test_unigram_keeps_to_the_smallest_vocabularies(vocab_size: int) -> None:
    assert 263 <= train("unigram", TEXTS, vocab_size).get_vocab_size() <= vocab_size


def test_unigram_spells_rare_characters_in_bytes() -> None:
    tokens = [TOKENIZERS["unigram"].token(token) for token in TOKENIZERS["unigram"].encode("bana 🙂")]
    assert "".join(tokens[:-4]) == "bana "
    assert tokens[-4:] == [BYTE_TOKENS[byte] for byte in "🙂".encode()]


def test_wordpiece_marks_what_goes_on_and_keeps_case() -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    tokens = [tokenizer.token(token) for token in tokenizer.encode("bana Ela, 中🙂")]
    assert "".join(token.removeprefix("##") for token in tokens[:-3]) == "banaEla"
    assert tokens[0].startswith("b")
    assert not tokens[0].startswith("##")
    assert tokens[-3:] == [",", "中", UNK_TOKEN]


def test_the_share_of_unknown_tokens_is_measured(tmp_path: Path) -> None:
    held_out = ", , 🙂 ,"
    documents = build_documents(tmp_path / "curate", [Document("a/0", TEXTS[0], "a")], [Document("a/1", held_out, "a")])
    config = settings_of("wordpiece")
    tokenizer = build(Tokenizer, tmp_path / "tokenizer", run, config, {"curate": documents})
    assert tokenizer.facts["unknown_rate"] == pytest.approx(1 / 4)
    assert tokenizer.facts["algorithm"] == "wordpiece"
    assert tokenizer.text.special.unk == UNK_TOKEN


@pytest.mark.parametrize("algorithm", TRAINERS)
def test_a_vocabulary_too_small_for_its_beginnings_is_refused(algorithm: TrainedAlgorithm) -> None:
    special = {"sentinels": 300}
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size=300 .*tokenizer\.special"):
        TokenizerConfig.parse({"algorithm": algorithm, "vocab_size": 300, "special": special}, "recipe.yaml")


def test_unigram_knows_words_that_no_other_word_begins_with() -> None:
    """The trainer of SentencePiece sees words one by one, and would take a piece only before two different characters."""
    texts = [" ".join(["The", "Photograph", "of", "rhododendron", "isn't", "quux"]) + ".\n"] * 40
    engine = train("unigram", texts)
    vocabulary = engine.get_vocab()
    assert {" rhododendron", " Photograph", "'t", " quux", "The"} <= vocabulary.keys()
    assert not [token for token in vocabulary if END_MARK in token]
    assert engine.encode(" Photograph of rhododendron").tokens == [" Photograph", " of", " rhododendron"]


def test_unigram_agrees_with_its_library_where_that_would_take_a_piece_that_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pieces are learned beyond those asked for as make words that SentencePiece cuts otherwise; a worse cut is told."""
    monkeypatch.setattr(unigram, "MARKED", 2)
    trained = TRAINERS["unigram"](TEXTS, 500, settings_of("unigram").special_names.distinct())
    text = " ".join(TEXTS)
    ids = trained.engine.encode(text).ids
    assert trained.agrees(text, ids)
    assert not trained.agrees(text, ids[::-1])


def test_unigram_takes_about_as_few_tokens_as_bpe() -> None:
    """Published comparisons find them close (Kudo 2018, table 3)."""
    held_out = invented(99)
    lengths = {algorithm: len(train(algorithm, vocab_size=900).encode(held_out).ids) for algorithm in EXACT}
    assert lengths["unigram"] <= 1.03 * lengths["bpe"]
