"""Sliding-window scoring equals the slow way and counts every token once."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ArtifactError, ConfigError, DivergedError
from groundup.evaluate import bits_per_byte as scoring
from groundup.evaluate.bits_per_byte import (
    Score,
    bits_per_byte,
    score_documents,
    score_sections,
    score_tokens,
    sections,
    windows,
)
from groundup.evaluate.config import resolve_stride
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model

NATS_TOLERANCE = 1e-4
"""Sums of up to 300 float32 log-probabilities of about 5 nats, each good to about 1e-6, taken in batches of other shapes."""
EOS = 0
WINDOW = 16


@pytest.fixture(scope="module")
def model() -> Transformer:
    config = ModelConfig(
        vocab_size=50, dim=16, num_layers=2, num_heads=2, num_kv_heads=2, ffn_dim=32, max_seq_len=WINDOW, init_std=0.5
    )
    model = build_model(config)
    model.init_weights(torch.Generator().manual_seed(0))
    return model.eval()


def document(length: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    words = np.random.default_rng(seed).integers(1, 50, length - 1)
    return np.append(words, EOS).astype(np.uint16)


@torch.inference_mode()
def slow_nats(model: Transformer, tokens: npt.NDArray[np.uint16], stride: int) -> float:
    """One token at a time: the window of token i is the first, in steps of `stride`, that reaches it."""
    inputs = [EOS, *tokens.tolist()]
    total = 0.0
    for i, token in enumerate(tokens.tolist()):
        begin = max(0, math.ceil((i + 1 - WINDOW) / stride)) * stride
        logits = model(Inputs(torch.tensor([inputs[begin : i + 1]])))[0, -1]
        total -= float(logits.double().log_softmax(0)[token])
    return total


@pytest.mark.parametrize("stride", [1, 5, 8, 16])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_equals_one_token_at_a_time(model: Transformer, stride: int, batch: int) -> None:
    documents = [document(length, seed) for seed, length in enumerate((1, 2, 15, 16, 17, 33, 100))]
    nats = score_documents(model, documents, EOS, stride, batch)
    assert nats == pytest.approx([slow_nats(model, tokens, stride) for tokens in documents], abs=NATS_TOLERANCE)


def test_logits_in_pieces_change_nothing(model: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document(60), document(7)]
    whole = score_documents(model, documents, EOS, None, 4)
    monkeypatch.setattr(scoring, "_MAX_LOGITS", 150)
    assert score_documents(model, documents, EOS, None, 4) == pytest.approx(whole, abs=NATS_TOLERANCE)


@given(st.integers(0, 200), st.integers(1, 40), st.data())
def test_every_token_is_scored_once_with_context_when_there_is_some(num_tokens: int, window_len: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window_len))
    found = list(windows(7, num_tokens, window_len, stride))
    assert [i for window in found for i in range(window.first_scored, window.end)] == list(range(num_tokens))
    for window in found:
        assert window.document == 7
        assert window.end - window.begin <= window_len
        assert window.begin == 0 or window.first_scored - window.begin == window_len - stride


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 60), st.data())
def test_sections_have_the_windows_of_the_whole_document(num_tokens: int, window_len: int, held: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window_len))
    cuts = sorted(data.draw(st.lists(st.integers(0, num_tokens), max_size=8)))
    pieces = np.split(np.arange(num_tokens, dtype=np.uint32), cuts)
    found = [
        (part.tokens[window.first_scored : window.end].tolist(), part.tokens[max(window.begin - 1, 0) : window.end].tolist())
        for part in sections(pieces, window_len, stride, held)
        for window in windows(0, len(part.tokens), window_len, stride, part.begin, part.scored)
    ]
    assert found == [
        (list(range(window.first_scored, window.end)), list(range(max(window.begin - 1, 0), window.end)))
        for window in windows(0, num_tokens, window_len, stride)
    ]


def test_sections_cost_what_the_whole_document_costs(model: Transformer) -> None:
    whole = document(200)
    parts = list(sections(np.split(whole, range(7, 200, 7)), WINDOW, 5, 20))
    assert len(parts) > 5
    assert sum(part.num_scored for part in parts) == 200
    nats = score_sections(model, parts, EOS, 5, 3, lambda _: None)
    assert nats.sum() == pytest.approx(score_documents(model, [whole], EOS, 5, 3)[0], abs=NATS_TOLERANCE)


def test_no_documents_have_no_nats(model: Transformer) -> None:
    assert score_documents(model, [], EOS, None, 8).tolist() == []


def test_stride_beyond_the_model_is_refused_and_null_is_half() -> None:
    assert (resolve_stride(None, 256), resolve_stride(None, 1), resolve_stride(256, 256)) == (128, 1, 256)
    with pytest.raises(ConfigError, match=r"evaluate\.stride=257 .* 256"):
        resolve_stride(257, 256)


def test_tokens_outside_the_vocabulary_are_refused(model: Transformer) -> None:
    with pytest.raises(ArtifactError, match="token 50 is outside the model's vocabulary of 50"):
        score_documents(model, [np.array([3, 50, EOS], np.uint16)], EOS, None, 8)


def test_a_diverged_model_is_named() -> None:
    config = ModelConfig(vocab_size=5, dim=4, num_layers=1, num_heads=1, num_kv_heads=1, ffn_dim=4, max_seq_len=4)
    broken = build_model(config)
    torch.nn.init.constant_(broken.embedding.weight, math.nan)
    with pytest.raises(DivergedError, match="diverged"):
        score_documents(broken, [np.array([1, EOS], np.uint16)], EOS, None, 8)


def test_summary_of_known_numbers() -> None:
    summary = Score(nats=100 * math.log(2), tokens=25, bytes=50, documents=2).summary()
    assert summary["bits_per_byte"] == 2.0
    assert summary["nll_per_token"] == pytest.approx(4 * math.log(2), abs=1e-6)
    assert summary["perplexity"] == 16.0
    assert bits_per_byte(7.0, 0) == 7.0
    assert math.isfinite(Score(nats=1e6, tokens=1, bytes=1, documents=1).summary()["perplexity"])


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_nats_of_tokens_are_those_of_the_slow_way_one_by_one(model: Transformer, batch: int) -> None:
    documents = [document(length, seed=length) for length in (40, 1, 17, 3)]
    counted: list[int] = []
    nats = score_tokens(model, documents, EOS, stride=5, batch=batch, advance=counted.append)
    assert sum(counted) == len(nats) == sum(map(len, documents))
    place = 0
    for tokens in documents:
        slow = [slow_nats(model, tokens[: i + 1], 5) for i in range(len(tokens))]
        np.testing.assert_allclose(nats[place : place + len(tokens)].cumsum(), slow, atol=NATS_TOLERANCE)
        place += len(tokens)
