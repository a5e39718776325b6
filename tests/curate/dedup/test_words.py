"""Words, keys and shingles of a batch equal what plain Python gives of each text."""

import sys
from itertools import pairwise
from unicodedata import category

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.dedup import words as words_module
from groundup.curate.dedup.shingles import as_sets, shingle_sets, shingles, word_runs
from groundup.curate.dedup.words import mix, read_words, word_places

ALPHABET = "aAbB1.ß\u0130\ufb01\u1e9e\u2019é\U00010400\U0001f600 \t\n\x1c\xa0\u2003\u3000\x00"
TEXTS = st.lists(st.one_of(st.text(ALPHABET, max_size=40), st.text(max_size=20)), max_size=8)
M64 = (1 << 64) - 1
RATIO = 0x9E3779B97F4A7C15


def document_key(text: str) -> bytes:
    return xxhash.xxh3_128_digest("".join(f"{word} " for word in text.casefold().split()).encode("utf-32-le", "surrogatepass"))


def is_of_word(char):
    return char.isalnum() or category(char)[0] in "LMN"


def slow_mix(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & M64
    return value ^ value >> 33


def slow_hash(word: str) -> int:
    return slow_mix(sum(ord(char) * pow(RATIO, at, 1 << 64) for at, char in enumerate(word + " ")) & M64)


def slow_run(hashes: list[int]) -> int:
    folded = len(hashes)
    for value in hashes:
        folded = (folded * 0xC2B2AE3D27D4EB4F + value) & M64
    return slow_mix(folded)


@pytest.fixture(params=[5, 16, 1 << 16])
def chunk(request, monkeypatch):
    """Long texts are cut, and several texts are worked on at once."""
    monkeypatch.setattr(words_module, "CHUNK_CHARS", request.param)
    words_module._powers.cache_clear()
    yield request.param
    words_module._powers.cache_clear()


@given(TEXTS)
def test_words_equal_those_of_python(texts):
    found = read_words(texts)
    expected = [[slow_hash(word) for word in text.casefold().split()] for text in texts]
    assert [found.hashes[a:b].tolist() for a, b in pairwise(found.offsets)] == expected


@given(TEXTS)
def test_words_without_punctuation_equal_those_of_python(texts):
    found = read_words(texts, punctuation=False)
    for number, text in enumerate(texts):
        words = "".join(char if is_of_word(char) else " " for char in text).split(" ")
        expected = [word for word in words if word]
        assert found.hashes[slice(*found.offsets[number : number + 2])].tolist() == [
            slow_hash(word.casefold()) for word in expected
        ]
        assert [text[a:b] for a, b in word_places(text)] == expected


@given(TEXTS)
def test_keys_of_a_batch_equal_the_key_of_each_text(texts):
    assert read_words(texts).keys.astype(">u8").tobytes() == b"".join(map(document_key, texts))


@pytest.mark.parametrize("texts", [["a b c d e f g h i j k", "", "x y"], [" \n \n \n   a\n\n\n      \n", "ﬁ ﬁ ﬁ ﬁ ﬁ"], []])
def test_how_texts_are_cut_changes_nothing(chunk, texts):
    found = read_words(texts)
    assert np.diff(found.offsets).tolist() == [len(text.split()) for text in texts]
    assert found.keys.astype(">u8").tobytes() == b"".join(map(document_key, texts))


def test_a_word_longer_than_a_chunk_counts_as_several(monkeypatch):
    monkeypatch.setattr(words_module, "CHUNK_CHARS", 10)
    assert np.diff(read_words(["a" * 25]).offsets).tolist() == [3]


def test_every_code_point_folds_as_in_python():
    table = words_module._folds(punctuation=True)
    letters = words_module._folds(punctuation=False)
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        folded = char.casefold()
        assert folded.casefold() == folded, f"U+{code:X}: folding twice is not folding once"
        if len(folded) > 1:
            assert table[code] == words_module._EXPANDS
        else:
            assert table[code] == (32 if char.isspace() else ord(folded)), f"U+{code:X}"
        assert letters[code] == (table[code] if is_of_word(char) else 32), f"U+{code:X}"
        assert all(is_of_word(each) == is_of_word(char) for each in folded), f"U+{code:X}: folding makes or breaks a word"


def test_the_base_of_the_hash_has_the_longest_order():
    """2^62, the most there is modulo 2^64, for a number that is 3 or 5 modulo 8: no two places in a word weigh the same."""
    assert words_module._BASE == RATIO
    assert RATIO % 8 in (3, 5)


@given(st.lists(st.integers(0, M64), max_size=5))
def test_mix_equals_whole_numbers(values):
    assert mix(np.array(values, np.uint64)).tolist() == [slow_mix(value) for value in values]


def slow_runs(text: str, width: int) -> list[int]:
    words = [slow_hash(word) for word in text.casefold().split()]
    return [slow_run(words[i : i + width]) for i in range(max(1, len(words) - width + 1))]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "D", "d"]), max_size=14).map(" ".join)


@given(st.lists(WORDS, max_size=6), st.sampled_from([1, 2, 5, 13]))
def test_runs_equal_those_of_plain_python(texts, width):
    found = word_runs(read_words(texts), width)
    assert [found.of(number).tolist() for number in range(len(texts))] == [slow_runs(text, width) for text in texts]


@given(st.lists(WORDS, max_size=6))
def test_sets_equal_those_of_plain_python(texts):
    found = shingle_sets(texts)
    assert [found.of(number).tolist() for number in range(len(texts))] == [sorted(set(slow_runs(text, 5))) for text in texts]


def test_runs_longer_than_a_block(monkeypatch):
    text = " ".join(map(str, range(1000)))
    whole = word_runs(read_words([text, text]))
    monkeypatch.setattr("groundup.curate.dedup.shingles._BLOCK", 7)
    assert (word_runs(read_words([text, text])).hashes == whole.hashes).all()
    assert as_sets(whole).offsets.tolist() == [0, 996, 1992]


def test_a_shingle_is_the_same_on_every_machine():
    assert shingles("one two three").tolist() == [GOLDEN]


GOLDEN = 3239687472826596475
