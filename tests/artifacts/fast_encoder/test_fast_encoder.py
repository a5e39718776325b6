"""The fast encoder gives the ids of the tokenizer's own library, whatever the text, whichever way it takes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from builders import word_salad
from groundup.artifacts.fast_encoder import FastEncoder, chunks
from groundup.artifacts.fast_encoder.patterns import BASIC, translate
from groundup.artifacts.fast_encoder.ranks import GPT2_WORD
from groundup.artifacts.fast_encoder.way import UnsuitableError
from groundup.artifacts.special_tokens import UNK_TOKEN, SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.artifacts.tokenizer_formats.ranks import ENCODINGS
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.words import WORD

PAGE = (
    "Plain words, 1,234.5 numbers and CamelCase_with_under_scores; don't I'LL we've '\u017fo.\n\n\tTabs,  two  spaces,   three \r\n"
    "def f(x):\n    return x**2  # code\n\n\n"
    "Grüße, naïve café, Ελληνικά, русский, עברית, العربية, हिन्दी, ไทย, 中文字符, 日本語かな, 한국어, Tiếng Việt, ქართული.\n"
    "🙂 👩‍👩‍👧‍👦 🇪🇺 ✍🏽 e\u0301 vs é,\n"
    "\u00a0no-break, \u2003em space, \u200bzero width, \u3000ideographic, \ufeffmark, \U0001d11e clef.\n"
    "&amp; «quotes» “curly” … — ½ ² ﬁ ſ Ⅷ 𝟘 İ ß\x1c\x1f\x85\u2028\n   "
)
TEXTS = [*(word_salad(120, seed) + PAGE for seed in range(6))]
SPECIAL = SpecialConfig(mask=True, sentinels=2)
LETTERS = "ab eE.\n\t'sS\u017fMéßİ½Ⅷ中語한🙂\u00a0\u3000\u200b12_\x1c\x85\u0301\U00020000𝟘"
TEXT = st.one_of(
    st.text(),
    st.text(LETTERS),
    st.lists(st.sampled_from([*PAGE.split(" "), " ", "\n", "<|endoftext|>", "<|mask|>", UNK_TOKEN, "<0x41>", "##a"])).map("".join),
)
SMOLLM = "smollm's: digits first, then GPT-2's"


def trained(algorithm: Any) -> TextTokenizer:
    config = TokenizerConfig(algorithm=algorithm, vocab_size=600, special=SPECIAL)
    engine = TRAINERS[algorithm](TEXTS, config.vocab_size, config.special_names.distinct()).engine
    return TextTokenizer(engine, config.special_names, algorithm)


def bpe(pre_tokenizer: Any, normalizer: Any = None, **options: Any) -> TextTokenizer:
    """Return byte-level BPE of the library `tokenizers` with this step before it."""
    engine: Any = Tokenizer(models.BPE(**options))
    engine.pre_tokenizer = pre_tokenizer
    engine.normalizer = normalizer
    engine.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)
    engine.train_from_iterator(TEXTS, trainer)
    return TextTokenizer(engine, SpecialNames(), "bpe")


def cut(pattern: str) -> Any:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def with_ordinary(tokenizer: TextTokenizer) -> TextTokenizer:
    tokenizer.engine.add_tokens([AddedToken("word s", normalized=False), AddedToken("é,", normalized=False)])
    return tokenizer


GPT2_STEP = pre_tokenizers.ByteLevel(add_prefix_space=False)
MAKERS: dict[str, tuple[Callable[[], TextTokenizer], str]] = {
    "our bpe": (lambda: trained("bpe"), "tiktoken"),
    "our unigram": (lambda: trained("unigram"), "words"),
    "our wordpiece": (lambda: trained("wordpiece"), "words"),
    "gpt-2": (lambda: bpe(GPT2_STEP), "tiktoken"),
    "cl100k": (lambda: bpe(cut(ENCODINGS["cl100k_base"].split)), "tiktoken"),
    "o200k": (lambda: bpe(cut(ENCODINGS["o200k_base"].split)), "tiktoken"),
    "qwen 2: NFC": (lambda: bpe(cut(WORD), normalizers.NFC()), "tiktoken"),
    "lower case": (lambda: bpe(cut(WORD), normalizers.Lowercase()), "tiktoken"),
    "added words": (lambda: with_ordinary(trained("bpe")), "tiktoken"),
    "a space before": (lambda: bpe(pre_tokenizers.ByteLevel(add_prefix_space=True)), "tokenizers"),
    SMOLLM: (lambda: bpe(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2_STEP])), "tokenizers"),
}
TOKENIZERS = {name: make() for name, (make, _) in MAKERS.items()}
ENCODERS = {name: FastEncoder.of(tokenizer) for name, tokenizer in TOKENIZERS.items()}


def check(name: str, texts: Sequence[str]) -> None:
    expected = TOKENIZERS[name].encode_batch(texts)
    for text, ids, fast in zip(texts, expected, ENCODERS[name].encode_batch(texts), strict=True):
        assert fast.tolist() == ids, ascii(text)


@pytest.mark.parametrize("name", MAKERS)
def test_way(name: str) -> None:
    assert ENCODERS[name].name == MAKERS[name][1]
    assert bool(ENCODERS[name].reasons) == (MAKERS[name][1] == "tokenizers")


@pytest.mark.parametrize("name", MAKERS)
@given(text=TEXT)
@example(text="")
@example(text=PAGE)
@example(text=" " * 500 + "\n" * 7 + "\t ")
@example(text="a word s or an é, in it")
@settings(max_examples=60, deadline=None)
def test_any_text(name: str, text: str) -> None:
    check(name, [text])


@pytest.mark.parametrize("name", ["our bpe", "our unigram", "our wordpiece", "o200k"])
def test_every_character_between_others(name: str) -> None:
    """Classes of characters are the same, whatever the edition of Unicode of each library."""
    of_one_kind = [range(0x3400, 0xA000, 97), range(0xAC00, 0xD7A0, 97), range(0xE000, 0xF900, 97), range(0x20000, 0x110000, 997)]
    codes = [*range(0x3400), *range(0xA000, 0xAC00), *range(0xD7A0, 0xD800), *range(0xF900, 0x10000), *range(0x10000, 0x20000, 7)]
    codes += [code for codes in of_one_kind for code in codes]
    around = [f"a{chr(code)}b {chr(code)} 1{chr(code)}{chr(code)}.'{chr(code)}" for code in codes]
    check(name, ["\n".join(around[first : first + 64]) for first in range(0, len(around), 64)])


@pytest.mark.parametrize("name", MAKERS)
def test_long_runs(name: str) -> None:
    """tiktoken's regular expressions give up on long white space; the text gets its tokens all the same."""
    check(name, ["a" + " " * 300_000 + "b", "é" * 20_000, "\n" * 20_000])


PATTERNS = {"ours": WORD, "gpt2": GPT2_WORD, "tiktoken's gpt2": ENCODINGS["gpt2"].split, "cl100k": ENCODINGS["cl100k_base"].split}


@pytest.mark.parametrize("name", PATTERNS)
@given(text=st.one_of(st.text(LETTERS), st.text(st.characters(max_codepoint=BASIC, exclude_categories=["Cs"]))))
@example(text=PAGE)
@settings(max_examples=200, deadline=None)
def test_a_pattern_in_python_cuts_the_same_words(name: str, text: str) -> None:
    basic = "".join(character for character in text if ord(character) <= BASIC)
    words = pre_tokenizers.Split(Regex(PATTERNS[name]), behavior="isolated").pre_tokenize_str(basic)
    assert translate(PATTERNS[name], BASIC).findall(basic) == [word for word, _ in words]


@pytest.mark.parametrize("pattern", [r"\w+", r"\bx", r"^x", r"x$", r".", r"\p{Han}", r"[a&&b]", r"\P{L}", r"[^\S]", r"[[:alpha:]]"])
def test_what_python_may_read_in_another_way_is_not_translated(pattern: str) -> None:
    with pytest.raises(UnsuitableError, match=r"the pattern of words has"):
        translate(pattern, BASIC)


def merging(merges: list[tuple[str, str]], words: Sequence[str] = (), **options: Any) -> TextTokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = dict.fromkeys([*alphabet, *(left + right for left, right in merges), *words])
    engine: Any = Tokenizer(models.BPE({name: place for place, name in enumerate(names)}, merges, **options))
    engine.pre_tokenizer = GPT2_STEP
    engine.add_special_tokens(["<|endoftext|>"])
    return TextTokenizer(engine, SpecialNames(), "merging")


ODD_MERGES = {
    "a token that its merges do not give": merging([("b", "c"), ("a", "b"), ("ab", "c")]),
    "a part made later": merging([("a", "bc"), ("b", "c")]),
    "two ways far apart": merging([("a", "b"), ("ab", "c"), ("b", "c"), ("c", "d"), ("a", "bc")]),
    "a word that nothing makes": merging([("a", "b")], ["abc"], ignore_merges=True),
}


@pytest.mark.parametrize("name", ODD_MERGES)
@given(text=st.text("abcd "))
@example(text="abc abcabc aabc bcabc")
@settings(max_examples=100, deadline=None)
def test_merges_that_no_ranks_say_are_remembered_by_words(name: str, text: str) -> None:
    encoder = FastEncoder.of(ODD_MERGES[name])
    assert encoder.name == "words"
    assert encoder.encode(text).tolist() == ODD_MERGES[name].encode(text)


def all_ways(tokens: Sequence[str]) -> list[tuple[str, str]]:
    """Return every way to make each token of two, as tokenizers of ranks are written down."""
    known = {*pre_tokenizers.ByteLevel.alphabet(), *tokens}
    ways = [(token[:place], token[place:]) for token in tokens for place in range(1, len(token))]
    return [(left, right) for left, right in ways if left in known and right in known]


RANKED = merging(all_ways(["ab", "abc", "bc", "aa", "aaa", "aaaa", "ca", "abca", "bcab"]), ignore_merges=True)


@given(text=st.text("abcd ", max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_way_to_make_a_token_is_as_good_as_its_rank(text: str) -> None:
    encoder = FastEncoder.of(RANKED)
    assert encoder.name == "tiktoken"
    assert encoder.encode(text).tolist() == RANKED.encode(text)


def test_chance_is_left_to_the_library() -> None:
    encoder = FastEncoder.of(merging([("a", "b")], dropout=0.5))
    assert encoder.name == "tokenizers"
    assert len(encoder.reasons) == 2


def test_memory_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAX_WORDS", 5)
    tokenizer = TOKENIZERS["our unigram"]
    encoder = FastEncoder.of(tokenizer)
    memory = encoder._way._ids_of.__self__  # type: ignore[attr-defined]
    for text in (PAGE.replace("🙂", ""), "x" * 1000, word_salad(50)):
        assert encoder.encode(text).tolist() == tokenizer.encode(text)
        assert len(memory) <= 5
    assert "x" * 1000 not in memory
