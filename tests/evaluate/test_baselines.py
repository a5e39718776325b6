"""Baselines are what they say: proper distributions fitted on train alone, and xz as the xz tool makes it."""

import lzma
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from builders import build_documents, build_shards, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.evaluate import ngrams
from groundup.evaluate.baselines import BASELINES, score_baselines
from groundup.evaluate.compression import join_documents, last_bytes, xz_bytes, xz_bytes_given
from groundup.evaluate.config import BaselineName
from groundup.evaluate.held_out import HeldOut, choose_held_out
from groundup.evaluate.ngrams import Bigram, Unigram

SUM_TOLERANCE = 1e-12
"""Sums of a few hundred float64 probabilities."""
XZ_FRAME_BYTES = 8
"""A smaller window is written in the same header byte; the check sum (CRC32 or CRC64) may differ in length."""


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("baselines")
    train = [Document(f"{'ab'[i % 2]}/{i}", word_salad(300, i), "ab"[i % 2]) for i in range(8)]
    documents = build_documents(folder / "curate", train, [Document("a/v", word_salad(200, 77), "a"), Document("b/v", "", "b")])
    shards = build_shards(folder / "encode", documents, build_tokenizer(folder / "tokenizer", documents))
    return choose_held_out(documents, shards, 10**9)


def training_streams(shards: TokenShards) -> list[list[int]]:
    return [[shards.info.eos_id, *shards.tokens("train", source.name).tolist()] for source in shards.info.sources]


def test_table_has_a_row_for_every_name() -> None:
    assert tuple(BASELINES) == get_args(BaselineName)


@pytest.mark.parametrize("name", BASELINES)
def test_each_baseline_beats_eight_bits_and_repeats_itself(held_out: HeldOut, name: BaselineName) -> None:
    bits = BASELINES[name](held_out)
    assert 0 < bits < 8 * held_out.num_bytes
    assert bits == BASELINES[name](held_out)
    assert score_baselines((name,), held_out) == {name: round(bits / held_out.num_bytes, 6)}


def test_unigram_is_add_one_and_sums_to_one(held_out: HeldOut) -> None:
    model = Unigram.fit(held_out.shards)
    tokens = [token for stream in training_streams(held_out.shards) for token in stream[1:]]
    vocab_size = held_out.shards.info.vocab_size
    assert model.probs.sum() == pytest.approx(1, abs=SUM_TOLERANCE)
    assert model.probs.min() > 0
    assert model.probs[tokens[5]] == pytest.approx((tokens.count(tokens[5]) + 1) / (len(tokens) + vocab_size))


def test_bigram_sums_to_one_after_every_context(held_out: HeldOut) -> None:
    model = Bigram.fit(held_out.shards)
    every = np.arange(held_out.shards.info.vocab_size)
    assert (model.context_counts == 0).any()
    for context in every:
        probs = model.prob(np.full_like(every, context), every)
        assert probs.min() > 0
        assert probs.sum() == pytest.approx(1, abs=SUM_TOLERANCE)


def test_bigram_equals_its_formula_counted_slowly(held_out: HeldOut) -> None:
    model = Bigram.fit(held_out.shards)
    seen = [pair for stream in training_streams(held_out.shards) for pair in pairwise(stream)]
    kinds = set(seen)
    discount = sum(seen.count(pair) == 1 for pair in kinds)
    discount = discount / (discount + 2 * sum(seen.count(pair) == 2 for pair in kinds))
    for context, token in [seen[0], seen[40], seen[-1], (seen[40][0], seen[-1][1])]:
        lower = (sum(pair[1] == token for pair in kinds) + 1) / (len(kinds) + held_out.shards.info.vocab_size)
        total = sum(pair[0] == context for pair in seen)
        follow = sum(pair[0] == context for pair in kinds)
        expected = (max(seen.count((context, token)) - discount, 0) + discount * follow * lower) / total
        assert model.prob(np.array([context]), np.array([token]))[0] == pytest.approx(expected)


def test_counting_in_pieces_changes_nothing(held_out: HeldOut, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Bigram.fit(held_out.shards)
    monkeypatch.setattr(ngrams, "_CHUNK", 97)
    pieces = Bigram.fit(held_out.shards)
    assert np.array_equal(whole.pairs, pieces.pairs)
    assert np.array_equal(whole.counts, pieces.counts)
    assert np.array_equal(Unigram.fit(held_out.shards).probs, Unigram.fit(held_out.shards).probs)


def test_baselines_are_fitted_on_train_alone(held_out: HeldOut, tmp_path: Path) -> None:
    train = list(held_out.documents.read("train"))
    other = build_documents(tmp_path / "curate", train, [Document("a/other", "something else entirely", "a")])
    shards = build_shards(tmp_path / "encode", other, build_tokenizer(tmp_path / "tokenizer", other))
    assert np.array_equal(Bigram.fit(shards).counts, Bigram.fit(held_out.shards).counts)
    assert np.array_equal(Unigram.fit(shards).probs, Unigram.fit(held_out.shards).probs)


@pytest.mark.parametrize("num_words", [0, 5, 30_000])
def test_xz_with_a_fitting_window_is_as_small_as_with_the_largest(num_words: int) -> None:
    data = word_salad(num_words).encode()
    largest = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 128 << 20}
    assert abs(xz_bytes(data) - len(lzma.compress(data, filters=[largest]))) <= XZ_FRAME_BYTES


@pytest.mark.skipif(shutil.which("xz") is None, reason="the xz tool is not installed")
def test_xz_equals_the_tool() -> None:
    data = word_salad(20_000).encode()
    made = subprocess.run(["xz", "-9e", "--stdout"], input=data, capture_output=True, check=True).stdout
    assert abs(xz_bytes(data) - len(made)) <= XZ_FRAME_BYTES


def test_xz_given_what_it_is_asked_for_costs_almost_nothing() -> None:
    data = word_salad(5_000).encode()
    assert xz_bytes_given(data, data) < xz_bytes(data) / 10
    assert xz_bytes_given(b"", data) == xz_bytes(data) - xz_bytes(b"")


def test_only_the_last_window_of_training_text_is_kept() -> None:
    texts = [bytes([65 + i]) * 7 for i in range(20)]
    assert last_bytes(texts) == join_documents(texts)
    assert last_bytes(texts, 20) == join_documents(texts)[-20:]
    assert last_bytes([], 20) == b""
