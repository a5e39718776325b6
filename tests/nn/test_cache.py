"""What a cache holds, and how much memory that takes."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from groundup.nn.cache import AllTokens, KVCache, LastTokens
from groundup.nn.transformer import Inputs
from models import LENGTH, small_model, some_tokens

CPU = torch.device("cpu")
FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, on logits of order 1."""


def numbers(start, count):
    """Keys that say which tokens they are of."""
    return torch.arange(start, start + count, dtype=torch.float32).view(1, 1, -1, 1).expand(2, 3, -1, 4)


def appended(cache, cuts):
    """Return the tokens that are seen after each part of the text."""
    seen = []
    for count in cuts:
        keys, values = cache.append(numbers(cache.length, count), -numbers(cache.length, count))
        assert torch.equal(keys, -values)
        seen.append(keys[1, 2, :, 3].int().tolist())
    return seen


def test_all_tokens_are_held():
    assert appended(AllTokens((2, 3, 9, 4), torch.float32, CPU), (4, 1, 4)) == [list(range(n)) for n in (4, 5, 9)]


@given(cuts=st.lists(st.integers(1, 9), max_size=12), window=st.integers(1, 6))
def test_the_last_tokens_are_held(cuts, window):
    cache, ends = LastTokens((2, 3, 200, 4), torch.float32, CPU, window), torch.tensor(cuts, dtype=torch.long).cumsum(0).tolist()
    wanted = [list(range(max(0, end - count - window + 1), end)) for end, count in zip(ends, cuts, strict=True)]
    assert appended(cache, cuts) == wanted
    assert cache.held == min(sum(cuts), window - 1)


def test_a_window_bounds_the_memory():
    config = models.small_config(attention="sliding_window", window=7, max_seq_len=1 << 20)
    cache = KVCache(config, 1, 1 << 20, torch.float32, CPU)
    held = sum(tensor.numel() for layer in cache.layers for tensor in vars(layer).values() if isinstance(tensor, torch.Tensor))
    assert held == 2 * config.num_layers * config.num_kv_heads * config.head_dim * 2 * 7


@pytest.mark.parametrize("window", [1, 2, 7, LENGTH])
@pytest.mark.parametrize("position", ["rope", "learned", "t5_bias"])
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=9), padded=st.booleans())
def test_a_rolling_cache_changes_no_logit(window, position, cuts, padded):
    """In parts of any length, with padding on the left or without."""
    model = small_model(attention="sliding_window", window=window, position=position)
    cuts = [count for end, count in zip(itertools.accumulate(cuts), cuts, strict=True) if end <= LENGTH]
    length = sum(cuts)
    tokens = some_tokens(2, length)
    ids = (torch.arange(length).expand(2, -1) >= torch.tensor([[0], [length // 2]])).long() if padded else None
    parts = zip(tokens.split(cuts, dim=1), [None] * len(cuts) if ids is None else ids.split(cuts, dim=1), strict=True)
    cache = KVCache(model.config, 2, length, torch.float32, CPU)
    with torch.no_grad():
        cached = torch.cat([model(Inputs(*part), cache) for part in parts], dim=1)
        torch.testing.assert_close(cached, model(Inputs(tokens, ids)), rtol=0, atol=FLOAT32_SUMS)


def test_rows_of_a_rolling_cache_are_chosen():
    cache = LastTokens((2, 3, 20, 4), torch.float32, CPU, 4)
    appended(cache, (5, 1))
    cache.choose(torch.tensor([1, 1, 0]))
    keys, _ = cache.append(torch.full((3, 3, 1, 4), 6.0), torch.zeros(3, 3, 1, 4))
    assert keys[:, 0, :, 0].tolist() == [[3, 4, 5, 6]] * 3
