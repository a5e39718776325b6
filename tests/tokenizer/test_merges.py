"""Merges by rustbpe: those of byte pair encoding written down plainly, and as good as those of the library tokenizers."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import word_salad
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.tokenizer import merges
from groundup.tokenizer.bpe import MIN_FREQUENCY, train_bpe, train_slowly
from groundup.tokenizer.merges import learn_merges
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.verify import PROBE, verify

PLAIN = Preparation()


def plain_merges(texts: list[str], count: int) -> list[tuple[bytes, bytes]]:
    """Return the merges of Sennrich et al. 2016 (section 3.2) over bytes, of equally frequent pairs the first by rank."""
    words = Counter(word for text in texts for word, _ in PLAIN.splitter.pre_tokenize_str(text))
    spelled = {word: [bytes([byte]) for byte in word.encode()] for word in words}
    ranks = {bytes([byte]): byte for byte in range(256)}
    made: list[tuple[bytes, bytes]] = []
    while len(made) < count:
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], ranks[pair[0]], ranks[pair[1]]))
        if pairs[best] < MIN_FREQUENCY:
            break
        ranks[b"".join(best)] = len(ranks)
        made.append(best)
        for word, parts in spelled.items():
            spelled[word] = join(parts, best)
    return made


def join(parts: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    joined: list[bytes] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] = b"".join(pair)
        else:
            joined.append(part)
    return joined


@given(texts=st.lists(st.text("abc 1\né", max_size=40), min_size=1, max_size=4), count=st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_merges_are_those_of_the_paper(texts: list[str], count: int) -> None:
    texts = texts * 2
    expected = plain_merges(texts, count)
    learned = learn_merges(texts, count, PLAIN)
    if learned is None:
        assert len(expected) < count
    else:
        assert learned.pairs == expected


def test_merges_of_sentences() -> None:
    texts = [word_salad(200, seed) + PROBE for seed in range(3)]
    learned = learn_merges(texts, 150, PLAIN)
    assert learned is not None
    assert learned.pairs == plain_merges(texts, 150)


def test_text_takes_as_few_tokens_as_with_the_other_trainer() -> None:
    """Both merge the most frequent pair; they differ where two are equally frequent."""
    texts, held_out = [word_salad(400, seed) for seed in range(6)], word_salad(400, 99)
    ours, theirs = train_bpe(texts, 330).engine, train_slowly(texts, 330, ("<|endoftext|>",)).engine
    assert ours.get_vocab_size() == theirs.get_vocab_size() == 330
    lengths = [len(engine.encode(held_out).ids) for engine in (ours, theirs)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)


def check(trained: Any) -> None:
    tokenizer = TextTokenizer(trained.engine, SpecialNames(), "test")
    assert verify(tokenizer, trained, [word_salad(50)])["verified_on_bytes"] > 300


def test_pairs_seen_once_are_left_to_the_other_trainer() -> None:
    texts = ["abcd abcd xyz"]
    assert learn_merges(texts, 3, PLAIN) is not None
    assert learn_merges(texts, 5, PLAIN) is None
    trained = train_bpe(texts, 1000)
    check(trained)
    assert trained.engine.get_vocab_size() == 257 + len(plain_merges(texts, 1000))


def test_white_space_without_end_is_cut_short() -> None:
    texts = ["ab" + " " * 1_500_000 + "cd\n" + "\n" * 1_500_000, word_salad(300)]
    assert learn_merges(texts, 50, PLAIN) is not None


def test_more_text_than_it_can_count_is_left_to_the_other_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merges, "MAX_BYTES", 1000)
    assert learn_merges([word_salad(20)], 5, PLAIN) is not None
    assert learn_merges([word_salad(300)], 5, PLAIN) is None
    check(train_bpe([word_salad(300)], 300))


def test_a_failure_of_the_library_is_told_and_left_to_the_other_trainer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(merges, "MAX_RUN", 1 << 22)
    monkeypatch.setattr(merges, "_LONG", merges.re.compile("(x{99})y"))
    monkeypatch.setattr("groundup.tokenizer.preparation.BLOCK_CHARACTERS", 1 << 22)
    texts = [" " * 2_000_000 + "ab", word_salad(300)]
    assert learn_merges(texts, 20, PLAIN) is None
    assert "rustbpe failed" in capfd.readouterr().err


def test_what_the_texts_raise_passes_through() -> None:
    def texts() -> Any:
        yield "ab"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        train_bpe(texts(), 300)
