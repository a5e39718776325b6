"""Special tokens of a trained tokenizer: counted, written down, never made by text, left out on the way back."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import build, build_documents, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import EOS_TOKEN, SPECIAL_TOKENS_FILE, SpecialNames
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import ConfigError
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig
from groundup.tokenizer.run import run

EVERY = SpecialConfig(pad=True, mask=True, sep=True, sentinels=12, modes=("R", "S", "X"), fill=True)
NAMES = EVERY.names.distinct()


def train(out: Path, special: SpecialConfig, text: str) -> Tokenizer:
    documents = build_documents(out / "curate", [Document("a/0", text, "a")], [])
    config = TokenizerConfig(vocab_size=320, special=special)
    return build(Tokenizer, out / "tokenizer", run, config, {"curate": documents})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    text = word_salad(100) + " ".join(NAMES) * 50  # the names are frequent in the text that merges are learned from
    return train(tmp_path_factory.mktemp("special"), EVERY, text)


def test_special_tokens_come_first_and_count(tokenizer: Tokenizer) -> None:
    assert len(NAMES) == 1 + 3 + 12 + 3 + 3
    assert sorted(tokenizer.text.id_of(name) for name in NAMES) == list(range(len(NAMES)))
    assert tokenizer.text.eos_id == 0
    assert tokenizer.text.vocab_size == tokenizer.facts["vocab_size"] == 320
    added = json.loads(tokenizer.file.read_text())["added_tokens"]
    assert all(token["special"] and not token["normalized"] for token in added)


def test_the_file_beside_says_what_each_is_for(tokenizer: Tokenizer) -> None:
    names = SpecialNames.from_file(tokenizer.path / SPECIAL_TOKENS_FILE)
    assert names == EVERY.names
    assert names.before == (EOS_TOKEN,)
    assert names.after == ()
    assert (names.pad, names.mask, names.sep) == ("<|pad|>", "<|mask|>", "<|sep|>")
    assert names.sentinels[:2] == ("<|extra_id_0|>", "<|extra_id_1|>")
    assert names.modes == {"R": "<|R|>", "S": "<|S|>", "X": "<|X|>"}
    assert tokenizer.text.mask_id == tokenizer.text.id_of("<|mask|>")
    assert tokenizer.text.pad_id == tokenizer.text.id_of("<|pad|>")


@given(st.lists(st.sampled_from([*NAMES, " ", "a", "<", "|>", "é", "\n"]), max_size=12).map("".join))
@settings(max_examples=200, deadline=None)
def test_text_that_looks_special_is_ordinary(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.text.encode(text)
    assert not {tokenizer.text.id_of(name) for name in NAMES} & set(ids)
    assert tokenizer.text.decode(ids) == text


def test_decoding_leaves_special_tokens_out(tokenizer: Tokenizer) -> None:
    ids = tokenizer.text.encode("The array")
    assert tokenizer.text.decode([*(tokenizer.text.id_of(name) for name in NAMES), *ids, 0]) == "The array"


def test_without_special_tokens_there_is_only_the_end_of_documents(tmp_path: Path) -> None:
    tokenizer = train(tmp_path, SpecialConfig(), word_salad(100))
    assert tokenizer.text.special == SpecialNames()
    assert [token["content"] for token in json.loads(tokenizer.file.read_text())["added_tokens"]] == [EOS_TOKEN]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 300, "special": {"sentinels": 100}}, r"tokenizer\.vocab_size=300 .*tokenizer\.special, 357 in all"),
        ({"special": {"sentinels": 1001}}, "special.sentinels"),
        ({"special": {"sentinels": -1}}, "special.sentinels"),
        ({"special": {"modes": ["R", "R"]}}, "twice"),
        ({"special": {"modes": ["Q"]}}, "special.modes"),
        ({"special": {"masks": True}}, "did you mean 'mask'"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig.parse(settings, "recipe.yaml")


def test_a_vocabulary_of_bytes_and_special_tokens_alone_is_allowed() -> None:
    assert TokenizerConfig(vocab_size=256 + len(NAMES), special=EVERY).vocab_size == 278
