"""Tokenizers beside each other: every figure is the one that counting by hand gives."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import groundup
from builders import build_documents, build_tokenizer, word_salad
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.cli import app
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.tokenizer.compare import compare, tokens_of
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.terms import characteristic, count_terms, log_likelihood_ratio
from groundup.tokenizer.trainers import TRAINERS

LAW = "The court held that res judicata bars the claim, qid po. Naïve ünknown 中 words\n" * 6
GENERAL = word_salad(300)


def tokenizer(algorithm: str, texts: list[str], **settings: str) -> TextTokenizer:
    config = TokenizerConfig.parse({"algorithm": algorithm, "vocab_size": 420, **settings}, "test")
    preparation = Preparation(config.normalisation, config.pre_tokenizer)
    engine = TRAINERS[config.algorithm](texts, 420, config.special_names.distinct(), preparation).engine
    return TextTokenizer(engine, config.special_names, algorithm)


TOKENIZERS = {
    "general": tokenizer("bpe", [GENERAL]),
    "law": tokenizer("bpe", [LAW * 3]),
    "pieces": tokenizer("wordpiece", [GENERAL]),
    "lower": tokenizer("unigram", [GENERAL], normalisation="lower"),
}


def test_figures_are_those_of_counting() -> None:
    words = ["res judicata", "qid", "court"]
    found = compare(TOKENIZERS, [LAW, "", GENERAL], words, 10_000_000)
    assert found.bytes == len((LAW + GENERAL).encode())
    for fit, (name, made) in zip(found.fits, TOKENIZERS.items(), strict=True):
        ids = [made.encode(text) for text in (LAW, GENERAL)]
        num_tokens = sum(map(len, ids))
        unknown = sum(made.token(token) == "<|unk|>" for text in ids for token in text)
        assert fit.name == name
        assert fit.bytes_per_token == pytest.approx(found.bytes / num_tokens)
        assert fit.fertility == pytest.approx(num_tokens / len((LAW + " " + GENERAL).split()))
        assert fit.unknown_rate == pytest.approx(unknown / num_tokens)
        assert fit.words == {word: tokens_of(made, word) for word in words}
        assert fit.mb_per_s > 0
    by_name = {fit.name: fit for fit in found.fits}
    assert by_name["law"].words == {"res judicata": 2, "qid": 1, "court": 1}
    assert by_name["law"].whole_words == 1.0
    assert by_name["general"].words["res judicata"] == len(TOKENIZERS["general"].encode(" res judicata")) > 2
    assert by_name["general"].exact == by_name["law"].exact == 1.0
    assert by_name["pieces"].exact == 0.0
    assert by_name["pieces"].unknown_rate > 0
    assert 0.0 <= by_name["lower"].exact < 1.0
    assert [fit.encoded_by for fit in found.fits] == ["tiktoken", "tiktoken", "words", "words"]


def test_no_more_text_than_asked_for_is_read() -> None:
    def texts():
        yield "a" * 70
        yield "é" * 20
        raise AssertionError("read on")

    assert compare({"x": TOKENIZERS["law"]}, texts(), [], 81).bytes == 80
    with pytest.raises(DataError, match="is empty"):
        compare(TOKENIZERS, ["", ""], [], 100)


def test_log_likelihood_ratio_is_dunnings() -> None:
    """The pair 'the swiss' of Dunning 1993 (table 2): k(AB)=110, k(A~B)=2442, k(~AB)=111, k(~A~B)=29114 give 270.72."""
    assert log_likelihood_ratio(110, 110 + 2442, 111, 111 + 29114) == pytest.approx(270.72, abs=0.005)


def test_characteristic_words_are_those_of_the_text() -> None:
    general = count_terms([GENERAL, "the court of the king"])
    words = characteristic([LAW, GENERAL], general, 6)
    assert set(words) <= {"res", "judicata", "bars", "claim", "qid", "po", "held", "that", "court", "Naïve", "ünknown", "words"}
    assert characteristic([LAW], Counter(), 3) == characteristic([LAW], Counter(), 3)
    assert characteristic(["rare word"], general, 5) == []
    assert characteristic([GENERAL], count_terms([GENERAL]), 5) == []
    assert math.isclose(log_likelihood_ratio(5, 100, 10, 200), 0.0, abs_tol=1e-12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    train, held_out = [Document("a/0", LAW + GENERAL, "a")], [Document("a/1", LAW, "a")]
    documents = build_documents(folder / "curate", train, held_out)
    build_tokenizer(folder / "one", documents, vocab_size=340)
    build_tokenizer(folder / "two", documents, vocab_size=300)
    (folder / "texts").mkdir()
    (folder / "texts" / "law.txt").write_text(LAW)
    (folder / "general.txt").write_text(GENERAL)
    (folder / "words.txt").write_text("res  judicata\n\nqid\nqid\n")
    return folder


def test_command(made: Path) -> None:
    words = ["tokenizer", "compare", str(made / "one"), str(made / "two"), str(made / "one" / "tokenizer.json")]
    text = ["--text", str(made / "texts"), "--words", str(made / "words.txt")]
    done = CliRunner().invoke(app, [*words, *text, "--picture", str(made / "picture.svg"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bytes"] == len(LAW.encode())
    assert [fit["name"] for fit in found["tokenizers"]] == ["one", "two", "tokenizer.json"]
    assert [fit["vocab_size"] for fit in found["tokenizers"]] == [340, 300, 340]
    assert set(found["tokenizers"][0]["words"]) == {"res judicata", "qid"}
    assert "Bytes of text a token" in (made / "picture.svg").read_text()
    table = CliRunner().invoke(app, [*words, *text])
    assert "splits res judicata (" in table.stdout


def test_python_finds_telling_words_and_reads_what_curate_made(made: Path) -> None:
    found = groundup.tokenizer_compare([made / "one"], made / "curate", general=made / "general.txt")
    assert found.bytes == len(LAW.encode())
    assert {"judicata", "qid"} <= set(found.fits[0].words)
    assert groundup.tokenizer_compare([made / "one"], made / "curate").fits[0].words == {}


def test_what_cannot_be_compared_is_said(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    command = ["tokenizer", "compare", str(made / "one"), "--text", str(made / "texts"), "--words"]
    with pytest.raises(ConfigError, match="has no effect"):
        CliRunner().invoke(app, [*command, str(made / "words.txt"), "--general", str(made / "texts")], catch_exceptions=False)
    with pytest.raises(DataError, match="holds no word"):
        CliRunner().invoke(app, [*command, str(tmp_path / "empty.txt")], catch_exceptions=False)
    with pytest.raises(ArtifactError, match="holds no tokenizer"):
        api.tokenizer_compare([tmp_path], made / "texts")
    with pytest.raises(DataError, match="no such file"):
        api.tokenizer_compare([made / "one"], tmp_path / "gone.txt")
