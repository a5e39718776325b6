"""Tokenizers with new tokens: no id changes, text without new terms keeps its tokens, domain text takes fewer."""

import io
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers
from typer.testing import CliRunner

from builders import build_documents, build_tokenizer, word_salad
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer
from groundup.cli import app
from groundup.core.errors import ConfigError, DataError, VerificationError
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig
from groundup.tokenizer.extend import Extension, extend
from groundup.tokenizer.grow import grow_merges
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.verify import PROBE, verify_extension

GENERAL = [word_salad(200, seed) + "abcdefghijklmnopqrstuvwxyz ABC é court law\n" * 4 for seed in range(4)]
LAW = ["The court held that res judicata bars the claim; estoppel and judicata, Naïve res judicata.\n" * 20]
TEXT = st.lists(
    st.sampled_from([*"judicataé <#▁", " res", " judicata", "estoppel", " The", "array", "\n", "<|mask|>", "中🙂", "##x"])
).map("".join)


def trained(algorithm: Any, **cut: Any) -> TextTokenizer:
    config = TokenizerConfig(algorithm=algorithm, vocab_size=400, special=SpecialConfig(mask=True, sentinels=3))
    engine = TRAINERS[config.algorithm](GENERAL, 400, config.special_names.distinct(), Preparation(**cut)).engine
    return TextTokenizer(engine, config.special_names, algorithm)


def with_added_behind() -> TextTokenizer:
    """Return WordPiece with special tokens behind its vocabulary."""
    base = trained("wordpiece")
    base.engine.add_special_tokens(["<|late|>"])
    base.engine.add_tokens(["two words"])
    return TextTokenizer(base.engine, base.special, "added behind")


def sentencepiece_like(kind: str, folder: Path) -> TextTokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(GENERAL).split("\n")),
        model_writer=model,
        vocab_size=400,
        model_type=kind,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        byte_fallback=True,
        character_coverage=0.99,
    )
    (folder / "config.json").write_text('{"model_type": "t5"}')
    (folder / "spiece.model").write_bytes(model.getvalue())
    engine, names = read_tokenizer(folder)
    return TextTokenizer(engine, names, kind)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    return {
        "bpe": trained("bpe"),
        "bpe gpt2": trained("bpe", pre_tokenizer="gpt2"),
        "wordpiece": trained("wordpiece"),
        "wordpiece lower": trained("wordpiece", normalisation="lower"),
        "added behind": with_added_behind(),
        "unigram": trained("unigram"),
        "t5": sentencepiece_like("unigram", tmp_path_factory.mktemp("t5")),
        "llama": sentencepiece_like("bpe", tmp_path_factory.mktemp("llama")),
    }


BASES = ("bpe", "bpe gpt2", "wordpiece", "wordpiece lower", "added behind", "unigram", "t5", "llama")
EXACT = ("bpe", "bpe gpt2", "llama")
"""Where every text, its new tokens written in old ones, has the tokens of before."""


@pytest.fixture(scope="module")
def pairs(bases: dict[str, TextTokenizer]) -> dict[str, tuple[TextTokenizer, TextTokenizer, Extension]]:
    found = {}
    for name, base in bases.items():
        extension = extend(base.engine, base.special, LAW, 30)
        saved = Engine.from_str(extension.engine.to_str())
        found[name] = (base, TextTokenizer(saved, base.special, name), extension)
    return found


@pytest.mark.parametrize("name", BASES)
def test_ids_of_before_stay_and_new_ones_follow(name: str, pairs: Any) -> None:
    before, after, extension = pairs[name]
    old = before.engine.get_vocab()
    new = after.engine.get_vocab()
    assert {token: new[token] for token in old} == old
    first = 1 + max(old.values())
    assert 0 < len(extension.pieces) <= 30
    assert (
        list(extension.pieces) == list(range(first, first + len(extension.pieces))) == sorted(set(new.values()) - set(old.values()))
    )
    assert after.vocab_size == before.vocab_size + len(extension.pieces)
    assert len(after.encode(LAW[0])) < 0.8 * len(before.encode(LAW[0]))
    for number, pieces in extension.pieces.items():
        assert len(pieces) > 1
        assert set(pieces) <= set(old.values())
        assert after.decode([number]).strip() == before.decode(pieces).strip()


@pytest.mark.parametrize("name", BASES)
def test_terms_of_the_domain_are_whole(name: str, pairs: Any) -> None:
    _, after, extension = pairs[name]
    (judicata,) = set(after.encode("the judicata")) - set(after.encode("the"))
    assert judicata in extension.pieces


@pytest.mark.parametrize("name", BASES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_text_without_new_terms_keeps_its_tokens(name: str, pairs: Any, data: st.DataObject) -> None:
    before, after, extension = pairs[name]
    text = data.draw(st.one_of(st.text(), TEXT))
    ids = after.encode(text)
    assert FastEncoder.of(after).encode(text).tolist() == ids
    if name in EXACT:
        assert [old for token in ids for old in extension.pieces.get(token, (token,))] == before.encode(text)
    elif not any(token in extension.pieces for token in ids):
        assert ids == before.encode(text)
    held = [after.decode([number]).strip() for number in extension.pieces]
    if not any(term in after.decode(before.encode(text)) for term in held):
        assert ids == before.encode(text)
    special = {after.id_of(mark) for mark in after.special.distinct()} - {after.engine.token_to_id(after.special.unk or "")}
    assert not special & set(ids)


def slow_merges(words: list[tuple[int, list[int]]], names: dict[int, str], count: int) -> list[tuple[str, str]]:
    """Return merges by counting all pairs anew each time."""
    words, names, made = [(weight, list(ids)) for weight, ids in words], dict(names), []
    while len(made) < count:
        pairs: Counter[tuple[int, int]] = Counter()
        for weight, ids in words:
            for pair in pairwise(ids):
                pairs[pair] += weight
        allowed = [p for p in pairs if pairs[p] >= 2 and names[p[0]] + names[p[1]] not in names.values()]
        if not allowed:
            break
        best = min(allowed, key=lambda pair: (-pairs[pair], pair))
        number = 1 + max(names)
        names[number] = names[best[0]] + names[best[1]]
        made.append((names[best[0]], names[best[1]]))
        for _, ids in words:
            place = 0
            while place + 1 < len(ids):
                if (ids[place], ids[place + 1]) == best:
                    ids[place : place + 2] = [number]
                place += 1
    return made


@given(
    words=st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=9)), max_size=8),
    count=st.integers(0, 8),
)
@example(words=[(2, [0, 0, 0, 0, 0]), (1, [1, 0, 1, 0, 1])], count=5)
@settings(max_examples=300, deadline=None)
def test_merges_go_on_as_counting_anew_would(words: list[tuple[int, list[int]]], count: int) -> None:
    names = {0: "a", 1: "b", 2: "c", 3: "ab"}
    grown = list(grow_merges(words, names, count, 2))
    assert [merge for _, _, merge in grown] == slow_merges(words, names, count)
    for name, pieces, merge in grown:
        assert name == "".join(merge) == "".join(names[piece] for piece in pieces)


def test_what_cannot_be_extended_is_refused() -> None:
    engine: Any = Engine(models.BPE({"a</w>": 0, "a": 1}, [], end_of_word_suffix="</w>"))
    with pytest.raises(ConfigError, match="mark parts of words"):
        extend(engine, SpecialNames(eos="a", before=()), LAW, 5)
    engine = Engine(models.WordLevel({"a": 0}, unk_token="a"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ConfigError, match="WordLevel"):
        extend(engine, SpecialNames(eos="a", before=()), LAW, 5)


def test_a_changed_tokenizer_is_found(bases: dict[str, TextTokenizer], pairs: Any) -> None:
    before, after, extension = pairs["bpe"]
    with pytest.raises(VerificationError, match="without new terms otherwise"):
        verify_extension(before, after, dict.fromkeys(extension.pieces, (5, 6)), LAW)
    with pytest.raises(VerificationError, match="other ids"):
        verify_extension(bases["unigram"], after, {}, [])
    assert verify_extension(before, after, extension.pieces, LAW)["verified_on_bytes"] == len((LAW[0] + PROBE).encode())


def test_the_line_of_commands(tmp_path: Path) -> None:
    general = build_documents(tmp_path / "general", [Document("a/0", text, "a") for text in GENERAL[:1]], [])
    law = build_documents(tmp_path / "law", [Document("a/0", LAW[0], "a")], [Document("a/1", LAW[0][:100], "a")])
    base = build_tokenizer(tmp_path / "base", general, vocab_size=330)
    command = ["tokenizer", "extend", str(base.path), "--input", str(law.path), "--tokens", "12", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["new_tokens"], found["old_vocab_size"], found["vocab_size"]) == (12, 330, 342)
    made = api.extend_tokenizer(base.path, law.path, 12, tmp_path / "out")
    assert made.new_pieces.keys() == set(range(330, 342))
    assert all(made.text.decode([number]) == base.text.decode(pieces) for number, pieces in made.new_pieces.items())
    assert base.new_pieces == {}
    assert api.extend_tokenizer(base.path, law.path, 12, tmp_path / "again").content_hash == made.content_hash
    with pytest.raises(DataError, match="no term that occurs twice"):
        api.extend_tokenizer(
            base.path, build_documents(tmp_path / "few", [Document("a/0", "The q", "a")], []).path, 5, tmp_path / "x"
        )


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"algorithm": "extend", "path": "x"}, "needs to know how many"),
        ({"algorithm": "extend", "new_tokens": 5}, "need the path"),
        ({"algorithm": "bpe", "new_tokens": 5}, "nothing else adds any"),
        ({"algorithm": "extend", "path": "x", "new_tokens": 5, "vocab_size": 300}, "vocab_size has no effect"),
    ],
)
def test_settings_that_do_not_go_together(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig.parse(given_settings, "recipe.yaml")
