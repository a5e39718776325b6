"""The tokenizer stage: exact both ways, the same every time, honest about what the text could give."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders import build, build_documents, build_tokenizer, word_salad
from groundup.artifacts.documents import Document, Documents
from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import DataError
from groundup.tokenizer.bpe import train_bpe
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.run import run
from groundup.tokenizer.sample import choose_share, place_of, sampled_texts

CODE = "def f(x):\n    if x:\n        return [1, 22, 333]\n\n\n\treturn 'naïve 日本語 🙂'\n"


def corpus() -> tuple[list[Document], list[Document]]:
    train = [Document(f"a/{i}", word_salad(200, i) + CODE, "a") for i in range(6)]
    train += [Document(f"b/{i}", word_salad(100, 50 + i), "b") for i in range(4)]
    return train, [Document("a/v", word_salad(150, 99), "a")]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return build_documents(tmp_path_factory.mktemp("tokenizer") / "curate", *corpus())


@pytest.fixture(scope="module")
def tokenizer(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return build_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer", documents)


@given(st.text())
@example("")
@example(EOS_TOKEN)
@example(f"a{EOS_TOKEN}b {EOS_TOKEN[:-1]} <|")
@example(CODE)
@example("\0\r\n\u2028\ufeff\U0010ffff é e\u0301 ﬁ Ⅷ ½ 𝟘 \u00a0\u3000 x")
@example(" " * 1000 + "\n" * 7 + "\t ")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_exactly(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.text.encode(text)
    assert tokenizer.text.decode(ids) == text
    assert tokenizer.text.eos_id not in ids
    assert tokenizer.text.encode_batch([text]) == [ids]
    assert all(0 <= token < tokenizer.text.vocab_size for token in ids)


def test_every_byte_is_a_token_and_end_of_document_is_zero(tokenizer: Tokenizer) -> None:
    assert tokenizer.text.eos_id == 0
    assert tokenizer.text.token(0) == EOS_TOKEN
    assert len({tokenizer.text.token(token) for token in range(1, 257)}) == 256
    assert tokenizer.text.vocab_size == 350


def test_facts(tokenizer: Tokenizer, documents: Documents) -> None:
    facts = tokenizer.facts
    held_out = next(documents.read("validation")).text
    num_tokens = len(tokenizer.text.encode(held_out))
    assert facts["vocab_size"] == tokenizer.text.vocab_size == tokenizer.manifest.counts["vocab_size"]
    assert facts["measured_on"] == "validation"
    assert facts["bytes_per_token"] == pytest.approx(len(held_out.encode()) / num_tokens, abs=1e-4)
    assert facts["fertility"] == pytest.approx(num_tokens / len(held_out.split()), abs=1e-4)
    assert facts["trained_on_bytes"] == sum(len(document.text.encode()) for document in documents.read("train"))


def test_same_text_gives_the_same_bytes_whatever_the_threads(tokenizer: Tokenizer, documents: Documents, tmp_path: Path) -> None:
    again = build_tokenizer(tmp_path / "again", documents)
    assert again.content_hash == tokenizer.content_hash
    script = (
        "import sys; from pathlib import Path; from groundup.artifacts.documents import Documents; "
        "from groundup.tokenizer.bpe import train_bpe; "
        "texts = [d.text for d in Documents.open(Path(sys.argv[1])).read('train')]; "
        "sys.stdout.write(train_bpe(texts[::-1], 350).engine.to_str(pretty=True) + '\\n')"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(documents.path)]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert answer.stdout == tokenizer.file.read_text()


def test_merges_stay_within_words_and_digits_stand_alone() -> None:
    engine = train_bpe(["x = 1234\n    y = 1234\n"] * 50, 400).engine
    cut = [engine.decode([token]) for token in engine.encode("    y = 1234").ids]
    assert cut == ["   ", " y", " =", " ", "1", "2", "3", "4"]


def test_little_text_gives_a_smaller_vocabulary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = build_documents(tmp_path / "curate", [Document("a/0", "abab abab", "a")], [])
    tokenizer = build_tokenizer(tmp_path / "tokenizer", documents, vocab_size=5000)
    assert 257 < tokenizer.text.vocab_size < 270
    assert tokenizer.facts["requested_vocab_size"] == 5000
    assert tokenizer.facts["measured_on"] == "train"
    assert "5,000" in capsys.readouterr().err


@pytest.mark.parametrize("train", [[], [Document("a/0", "", "a")]], ids=["no documents", "an empty document"])
def test_no_text_is_refused(tmp_path: Path, train: list[Document]) -> None:
    documents = build_documents(tmp_path / "curate", train, [])
    with pytest.raises(DataError, match="no training text"):
        build(Tokenizer, tmp_path / "tokenizer", run, TokenizerConfig(), {"curate": documents})
    assert not (tmp_path / "tokenizer" / "manifest.json").exists()


def test_sample_is_full_and_follows_the_seed(documents: Documents) -> None:
    whole = sum(len(document.text.encode()) for document in documents.read("train"))
    assert choose_share(documents, whole, seed=0) is None
    half = list(sampled_texts(documents, whole // 2, seed=0))
    assert whole // 2 - 3 <= sum(len(text.encode()) for text in half) <= whole // 2
    assert half == list(sampled_texts(documents, whole // 2, seed=0))
    assert len({choose_share(documents, whole // 2, seed=seed) for seed in range(8)}) > 1


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=12), max_bytes=st.integers(1, 40), seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sample_is_the_first_bytes_in_the_order_of_a_hash(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], max_bytes: int, seed: int
) -> None:
    train = [Document(f"a/{number}", chr(ord("a") + number) * size, "a") for number, size in enumerate(sizes)]
    documents = build_documents(tmp_path_factory.mktemp("sizes") / "curate", train, [])
    in_order = sorted(train, key=lambda document: place_of(document.id, seed))
    expected = "".join(document.text for document in in_order)[:max_bytes]
    assert sorted("".join(sampled_texts(documents, max_bytes, seed))) == sorted(expected)


def test_a_first_document_larger_than_the_sample_is_cut(documents: Documents) -> None:
    (text,) = sampled_texts(documents, 101, seed=3)
    assert 98 <= len(text.encode()) <= 101
