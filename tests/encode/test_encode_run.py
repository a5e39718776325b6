"""The encode stage: every document's tokens are on disk once, in order, ended, and known by their tokenizer."""

from pathlib import Path

import numpy as np
import pytest

from builders import build, build_documents, build_shards, build_tokenizer, word_salad
from groundup.artifacts.documents import Document, Documents
from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.artifacts.token_shards import SHARDS, TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import ArtifactError, DataError
from groundup.encode.config import EncodeConfig
from groundup.encode.run import run
from groundup.encode.streams import token_dtype

TEXTS = [word_salad(80), "", "x", f"literal {EOS_TOKEN} inside", "日本語 🙂\n", word_salad(3000, 1)]
WEIGHTS = {"b": 2.0, "a": 1.0, "nothing": 0.5}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    train = [Document(f"{'ab'[i % 2]}/{i}", text, "ab"[i % 2]) for i, text in enumerate(TEXTS)]
    return build_documents(tmp_path_factory.mktemp("encode") / "curate", train, [Document("a/v", TEXTS[0], "a")], WEIGHTS)


@pytest.fixture(scope="module")
def tokenizer(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return build_tokenizer(tmp_path_factory.mktemp("encode") / "tokenizer", documents)


@pytest.fixture(scope="module")
def shards(documents: Documents, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    return build_shards(tmp_path_factory.mktemp("encode") / "encode", documents, tokenizer)


def test_documents_come_back_exactly(shards: TokenShards, documents: Documents, tokenizer: Tokenizer) -> None:
    texts = {document.id: document.text for document in documents.read("train")}
    found = list(shards.documents("train"))
    assert {name for name, _, _ in found} == set(texts)
    for name, tokens, num_bytes in found:
        assert num_bytes == len(texts[name].encode())
        assert tokens[-1] == shards.info.eos_id
        assert shards.info.eos_id not in tokens[:-1]
        assert tokenizer.text.decode(tokens.tolist()) == texts[name]


def test_counts_weights_and_streams_agree(shards: TokenShards, documents: Documents) -> None:
    assert {source.name: source.weight for source in shards.info.sources} == WEIGHTS
    for source in shards.info.sources:
        for split in ("train", "validation"):
            stream, index = shards.tokens(split, source.name), shards.index(split, source.name)
            assert len(stream) == source.tokens[split] == sum(index["tokens"].to_pylist())
            assert sum(index["bytes"].to_pylist()) == source.bytes[split]
            assert len(index) == source.documents[split] == np.count_nonzero(stream == shards.info.eos_id)
            assert index["start"].to_pylist() == [0, *np.cumsum(index["tokens"].to_pylist())[:-1]][: len(index)]
    assert shards.total("bytes", "train") == sum(len(text.encode()) for text in TEXTS)
    assert shards.manifest.counts["tokens"] == shards.total("tokens", "train")
    assert shards.tokens("train", "nothing").size == 0


@pytest.mark.parametrize("batch_documents", [1, 2, 1000])
def test_batch_does_not_change_the_result(
    shards: TokenShards, documents: Documents, tokenizer: Tokenizer, tmp_path: Path, batch_documents: int
) -> None:
    config = EncodeConfig(batch_documents=batch_documents)
    again = build(TokenShards, tmp_path / "encode", run, config, {"curate": documents, "tokenizer": tokenizer})
    assert again.content_hash == shards.content_hash


def test_sources_without_a_list_weigh_one(tokenizer: Tokenizer, tmp_path: Path) -> None:
    documents = build_documents(tmp_path / "curate", [Document("b/0", "x", "b"), Document("a/0", "y", "a")], [])
    shards = build_shards(tmp_path / "encode", documents, tokenizer)
    assert [(source.name, source.weight) for source in shards.info.sources] == [("a", 1.0), ("b", 1.0)]


def test_a_source_that_is_not_listed_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    documents = build_documents(tmp_path / "curate", [Document("z/0", "text", "z")], [], {"a": 1.0})
    with pytest.raises(ArtifactError, match="'z/0' is of source 'z'"):
        build_shards(tmp_path / "encode", documents, tokenizer)


@pytest.mark.parametrize("text", [None, ""], ids=["no documents", "an empty document"])
def test_no_training_text_is_refused(tokenizer: Tokenizer, tmp_path: Path, text: str | None) -> None:
    train = [] if text is None else [Document("a/0", text, "a")]
    documents = build_documents(tmp_path / "curate", train, [Document("a/v", "held out", "a")], {"a": 1.0})
    with pytest.raises(DataError, match="training split has no text"):
        build_shards(tmp_path / "encode", documents, tokenizer)
    assert not (tmp_path / "encode" / SHARDS).exists()


def test_a_tokenizer_that_did_not_make_the_shards_is_named(shards: TokenShards, tokenizer: Tokenizer) -> None:
    shards.check_tokenizer(tokenizer.content_hash)
    other = "0123456789abcdef" * 4
    with pytest.raises(ArtifactError, match=rf"{tokenizer.content_hash[:12]}.*{other[:12]}"):
        shards.check_tokenizer(other)


@pytest.mark.parametrize(("vocab_size", "dtype"), [(257, "uint16"), (65_536, "uint16"), (65_537, "uint32")])
def test_dtype_is_the_narrowest_that_holds_the_ids(vocab_size: int, dtype: str) -> None:
    assert token_dtype(vocab_size) == dtype
    assert np.iinfo(dtype).max >= vocab_size - 1


def test_a_source_whose_name_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    documents = build_documents(tmp_path / "curate", [Document("a/0", "text", "a")], [], {"a": 1.0})
    tokenizer = build_tokenizer(tmp_path / "tokenizer", documents)
    hostile = build_documents(tmp_path / "hostile", [Document("a/0", "text", "a")], [], {"a": 1.0, "../../escaped": 1.0})
    with pytest.raises(ArtifactError, match=r"'\.\./\.\./escaped'"):
        build_shards(tmp_path / "run" / "encode", hostile, tokenizer)
    assert not list(tmp_path.rglob("escaped*"))
