"""What must hold of any transformer here: causality, packing that leaks nothing, a cache that changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from groundup.core.errors import ConfigError
from groundup.nn.attention import FULL_ATTENTION
from groundup.nn.cache import KVCache
from groundup.nn.transformer import Inputs
from groundup.nn.view import positions_in_documents
from models import LENGTH, small_model, some_inputs, some_tokens

FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, or at another position, on logits of order 1."""
KERNELS = sorted(FULL_ATTENTION)
DOCUMENTS = (20, 1, 40, 35)
IDS = torch.repeat_interleave(torch.arange(4), torch.tensor(DOCUMENTS)).expand(2, -1)
CAUSAL = [changes for changes in models.architectures() if changes["shape"] in ("decoder", "encoder_decoder")]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=10, deadline=None)
@given(changed=st.integers(1, 23), seed=st.integers(0, 1000))
def test_a_changed_token_leaves_the_logits_before_it_alone(kernel, packed, changed, seed):
    model = small_model(kernel)
    tokens = some_tokens(2, 24, seed=seed)
    ids = (torch.arange(24) // 9).expand(2, 24) if packed else None
    other = tokens.clone()
    other[:, changed] = (other[:, changed] + 1) % models.VOCAB
    with torch.no_grad():
        before, after = model(Inputs(tokens, ids)), model(Inputs(other, ids))
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("changes", CAUSAL, ids=models.name_of)
def test_no_decoder_sees_what_comes_after(changes, packed):
    model = small_model(**changes)
    tokens, changed = some_tokens(2, LENGTH), 50
    inputs = some_inputs(changes["shape"], tokens, IDS if packed else None)
    other = tokens.clone()
    other[:, changed] = (other[:, changed] + 1) % models.VOCAB
    with torch.no_grad():
        before, after = model(inputs), model(Inputs(other, inputs.document_ids, source=inputs.source))
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@pytest.mark.parametrize("changes", models.architectures(), ids=models.name_of)
def test_a_packed_document_has_the_logits_it_has_alone(changes):
    model = small_model(**changes)
    tokens = some_tokens(2, LENGTH)
    with torch.no_grad():
        packed = model(some_inputs(changes["shape"], tokens, IDS)).split(DOCUMENTS, dim=1)
        for part, document in zip(packed, tokens.split(DOCUMENTS, dim=1), strict=True):
            alone = model(some_inputs(changes["shape"], document))
            torch.testing.assert_close(part, alone, rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("changes", models.architectures(), ids=models.name_of)
def test_changing_one_packed_document_leaves_the_others_alone(changes):
    model = small_model(**changes)
    tokens = some_tokens(2, LENGTH)
    other = tokens.clone()
    other[:, :20] = some_tokens(2, 20, seed=9)
    with torch.no_grad():
        before, after = (model(some_inputs(changes["shape"], row, IDS)) for row in (tokens, other))
    assert torch.equal(before[:, 20:], after[:, 20:])
    assert not torch.equal(before[:, :20], after[:, :20])


@pytest.mark.parametrize("changes", [c for c in models.architectures() if c["shape"] != "encoder"], ids=models.name_of)
@pytest.mark.parametrize("cuts", [(50, 1, 1, 44), (1,) * LENGTH], ids=["prompt", "one-by-one"])
def test_a_cache_changes_no_logit(changes, cuts):
    model = small_model(**changes)
    tokens = some_tokens(2, LENGTH)
    whole = some_inputs(changes["shape"], tokens)
    cache = KVCache(model.config, 2, LENGTH, torch.float32, torch.device("cpu"))
    with torch.no_grad():
        parts = [
            model(Inputs(part, source=whole.source if number == 0 else None), cache)
            for number, part in enumerate(tokens.split(cuts, dim=1))
        ]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(whole), rtol=0, atol=FLOAT32_SUMS)
    assert cache.length == LENGTH


@pytest.mark.parametrize("changes", [c for c in models.architectures() if c["shape"] == "decoder"], ids=models.name_of)
def test_padding_on_the_left_changes_no_logit(changes):
    model = small_model(**changes)
    tokens = some_tokens(1, 30)
    padded = torch.cat((torch.zeros(1, 11, dtype=torch.long), tokens), dim=1)
    ids = (torch.arange(41) >= 11).long()[None]
    cache = KVCache(model.config, 1, 41, torch.float32, torch.device("cpu"))
    with torch.no_grad():
        alone = model(Inputs(tokens))
        torch.testing.assert_close(model(Inputs(padded, ids))[:, 11:], alone, rtol=0, atol=FLOAT32_SUMS)
        cuts = zip(padded.split((20, 21), 1), ids.split((20, 21), 1), strict=True)
        parts = [model(Inputs(part, part_ids), cache) for part, part_ids in cuts]
        torch.testing.assert_close(torch.cat(parts, dim=1)[:, 11:], alone, rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("attention", ["full", "sliding_window", "sparse_strided"])
def test_a_prefix_sees_itself_whole_and_nothing_after_it(attention):
    model = small_model(shape="prefix_decoder", attention=attention, **models.ATTENTIONS[attention])
    tokens = some_tokens(1, LENGTH)
    prefix = (torch.arange(LENGTH) < 40)[None]
    inside, after = tokens.clone(), tokens.clone()
    inside[:, 39] = (inside[:, 39] + 1) % models.VOCAB
    after[:, 60] = (after[:, 60] + 1) % models.VOCAB
    with torch.no_grad():
        logits, changed_inside, changed_after = (model(Inputs(row, None, prefix)) for row in (tokens, inside, after))
    assert not torch.equal(logits[:, 35:39], changed_inside[:, 35:39])
    assert torch.equal(logits[:, :60], changed_after[:, :60])
    assert not torch.equal(logits[:, 60:], changed_after[:, 60:])


def test_an_encoder_sees_both_ways():
    model = small_model(shape="encoder")
    tokens = some_tokens(1, 24)
    other = tokens.clone()
    other[:, 20] = (other[:, 20] + 1) % models.VOCAB
    assert not torch.equal(model(Inputs(tokens))[:, :20], model(Inputs(other))[:, :20])


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("position", ["rope", "alibi", "t5_bias"])
def test_the_kernels_agree(kv_heads, packed, position):
    one, two = (small_model(kernel, num_kv_heads=kv_heads, position=position) for kernel in KERNELS)
    inputs = Inputs(some_tokens(2, LENGTH), IDS if packed else None)
    logits = [model(inputs) for model in (one, two)]
    torch.testing.assert_close(*logits, rtol=0, atol=FLOAT32_SUMS)
    for part in logits:
        part.logsumexp(-1).mean().backward()
    for (name, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=FLOAT32_SUMS, msg=name)


def test_positions_start_anew_with_each_document():
    ids = torch.tensor([[5, 5, 5, 2, 2, 9], [1, 1, 1, 1, 1, 1]])
    assert positions_in_documents(ids).tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5]]


def test_segments_are_told_apart():
    model = small_model(shape="encoder", segments=2)
    tokens = some_tokens(1, 12)
    kinds = (torch.arange(12) >= 6).long()[None]
    assert torch.equal(model(Inputs(tokens)), model(Inputs(tokens, segments=torch.zeros_like(kinds))))
    assert not torch.equal(model(Inputs(tokens)), model(Inputs(tokens, segments=kinds)))


@pytest.mark.parametrize("shape", models.SHAPES)
def test_what_is_longer_than_the_model_is_refused(shape):
    model = small_model(shape=shape, **models.SHAPES[shape])
    with pytest.raises(ConfigError, match="max_seq_len=96"):
        model(some_inputs(shape, some_tokens(1, LENGTH + 1)))


def test_initial_weights_depend_on_the_seed_alone():
    one, two = small_model(), small_model()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_a_tied_head_is_the_embedding():
    tied, untied = small_model(tie_embeddings=True), small_model(tie_embeddings=False)
    assert tied.head.weight is tied.embedding.weight
    assert untied.head.weight is untied.head.output.weight
    assert "head.output.weight" not in tied.state_dict()


@pytest.mark.parametrize("kernel", KERNELS)
def test_padding_without_a_source_disturbs_nothing(kernel):
    """The decoder's padding is a document that the source does not have."""
    model = small_model(kernel, shape="encoder_decoder", num_encoder_layers=2)
    tokens, padded = some_tokens(1, 20), torch.cat((some_tokens(1, 20), torch.zeros(1, 5, dtype=torch.long)), dim=1)
    ids = torch.cat((torch.zeros(1, 20, dtype=torch.long), torch.full((1, 5), -1)), dim=1)
    source = Inputs(some_tokens(1, 9, seed=5), torch.zeros(1, 9, dtype=torch.long))
    with torch.no_grad():
        alone = model(Inputs(tokens, source=Inputs(source.tokens)))
        logits = model(Inputs(padded, ids, source=source))
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[:, :20], alone, rtol=0, atol=FLOAT32_SUMS)


def test_a_soft_cap_acts_on_cross_attention_with_every_kernel():
    one, two = (
        small_model(kernel, shape="encoder_decoder", num_encoder_layers=2, attention_soft_cap=1.0, init_std=0.3)
        for kernel in KERNELS
    )
    inputs = some_inputs("encoder_decoder", some_tokens(2, 20))
    torch.testing.assert_close(one(inputs), two(inputs), rtol=0, atol=FLOAT32_SUMS)
