"""What must hold of any transformer here: causality, packing that leaks nothing, a cache that changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.estimate.parameters import total_parameters
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig
from groundup.nn.kernels import ATTENTION
from groundup.nn.transformer import Transformer

LENGTH = 24
FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, or at another position, on logits of order 1."""

KERNELS = sorted(ATTENTION)
POSITIONS = ["rope", "none"]


def build(attention="sdpa", position="rope", kv_heads=2, **changes):
    sizes = {"vocab_size": 61, "dim": 32, "num_layers": 2, "num_heads": 4, "ffn_dim": 48, "max_seq_len": LENGTH, "init_std": 0.1}
    config = ModelConfig(**(sizes | {"num_kv_heads": kv_heads, "position": position} | changes))
    model = Transformer(config, attention)
    model.init_weights(torch.Generator().manual_seed(3))
    return model.eval()


def some_tokens(*shape, seed=0):
    return torch.randint(61, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("attention", KERNELS)
@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=10, deadline=None)
@given(changed=st.integers(1, LENGTH - 1), seed=st.integers(0, 1000))
def test_a_changed_token_leaves_the_logits_before_it_alone(attention, packed, changed, seed):
    model = build(attention)
    tokens = some_tokens(2, LENGTH, seed=seed)
    ids = (torch.arange(LENGTH) // 9).expand(2, LENGTH) if packed else None
    other = tokens.clone()
    other[:, changed] = (other[:, changed] + 1) % 61
    with torch.no_grad():
        before, after = model(tokens, ids), model(other, ids)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@pytest.mark.parametrize("attention", KERNELS)
@pytest.mark.parametrize("position", POSITIONS)
def test_a_packed_document_has_the_logits_it_has_alone(attention, position):
    model = build(attention, position)
    lengths = (7, 1, 16)
    tokens = some_tokens(1, LENGTH)
    ids = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))[None]
    with torch.no_grad():
        packed = model(tokens, ids).split(lengths, dim=1)
        for part, document in zip(packed, tokens.split(lengths, dim=1), strict=True):
            torch.testing.assert_close(part, model(document), rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("attention", KERNELS)
def test_changing_one_packed_document_leaves_the_others_alone(attention):
    model = build(attention)
    tokens = some_tokens(1, LENGTH)
    ids = (torch.arange(LENGTH) >= 10).long()[None]
    other = tokens.clone()
    other[:, :10] = some_tokens(1, 10, seed=9)
    with torch.no_grad():
        assert torch.equal(model(tokens, ids)[:, 10:], model(other, ids)[:, 10:])
        assert not torch.equal(model(tokens)[:, 10:], model(other)[:, 10:]), "without ids they are one document"


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("packed", [False, True])
def test_the_kernels_agree(kv_heads, packed):
    one, two = build("sdpa", kv_heads=kv_heads), build("matmul", kv_heads=kv_heads)
    tokens = some_tokens(3, LENGTH)
    ids = (torch.arange(LENGTH) // 5).expand(3, LENGTH) if packed else None
    logits = [model(tokens, ids) for model in (one, two)]
    torch.testing.assert_close(*logits, rtol=0, atol=FLOAT32_SUMS)
    for part in logits:
        part.logsumexp(-1).mean().backward()
    for (name, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=FLOAT32_SUMS, msg=name)


@pytest.mark.parametrize("attention", KERNELS)
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kv_heads", [1, 4])
@pytest.mark.parametrize("cuts", [(5, 1, 1, 17), (1,) * LENGTH, (LENGTH,)])
def test_a_cache_changes_no_logit(attention, position, kv_heads, cuts):
    model = build(attention, position, kv_heads)
    tokens = some_tokens(2, LENGTH)
    cache = KVCache(model.config, 2, LENGTH, torch.float32, torch.device("cpu"))
    with torch.no_grad():
        parts = [model(part, cache=cache) for part in tokens.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), rtol=0, atol=FLOAT32_SUMS)
    assert cache.length == LENGTH


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        lambda head_dim, kv_heads, groups, **others: ModelConfig(
            dim=head_dim * kv_heads * groups, num_heads=kv_heads * groups, num_kv_heads=kv_heads, max_seq_len=8, **others
        ),
        head_dim=st.sampled_from([2, 4, 6]),
        kv_heads=st.integers(1, 3),
        groups=st.integers(1, 3),
        vocab_size=st.integers(2, 50),
        num_layers=st.integers(1, 3),
        ffn_dim=st.integers(1, 40),
        norm=st.sampled_from(["rms", "layer"]),
        feed_forward=st.sampled_from(["swiglu", "gelu"]),
        tie_embeddings=st.booleans(),
    )
)
def test_the_formula_counts_the_parameters_that_are_there(config):
    assert total_parameters(config) == sum(p.numel() for p in Transformer(config).parameters())


def test_initial_weights_depend_on_the_seed_alone():
    one, two = build(), build()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_initial_weights_have_their_spread():
    model = build(dim=256, ffn_dim=512, num_layers=8, init_std=0.02)
    std = {name: p.std().item() for name, p in model.named_parameters() if p.ndim == 2}
    for name, value in std.items():
        wanted = 0.02 / 4 if name.endswith(("output.weight", "down.weight")) else 0.02
        assert value == pytest.approx(wanted, rel=0.05), name


def test_a_tied_head_is_the_embedding():
    tied, untied = build(tie_embeddings=True), build(tie_embeddings=False)
    assert tied.head_weight is tied.embedding.weight
    assert untied.head_weight is untied.head.weight
    assert "head.weight" not in tied.state_dict()
