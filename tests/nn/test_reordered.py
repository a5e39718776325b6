"""The form of a model that decodes fast on a CPU computes what the model computes."""

import pytest
import torch
from torch import nn

import models
from groundup.nn.beam import beam_search
from groundup.nn.generate import generate, generate_batch
from groundup.nn.precision import hold_weights
from groundup.nn.reordered import JoinedAttention, JoinedGated, ReorderedHead, ReorderedLinear, reordered
from groundup.nn.sampling import Greedy
from models import LENGTH, small_model, some_inputs, some_tokens

FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, on logits of order 1."""
BF16_ROUNDING = 0.05
"""A few roundings to 8 bits, on logits of order 1."""
PROMPTS = [[5, 9, 2], [7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]
OTHERS = [
    {"qk_norm": True},
    {"bias": True, "norm": "layer", "feed_forward": "gelu"},
    {"head_bias": True, "head_transform": True, "shape": "encoder"},
    {"logit_soft_cap": 3.0, "attention_soft_cap": 2.0},
    {"tie_embeddings": False, "num_kv_heads": 1},
    {"rope_fraction": 0.5, "rope_pairs": "neighbours", "residual": "parallel_shared"},
    {"shape": "encoder_decoder", "num_encoder_layers": 2, "qk_norm": True, "bias": True, "embedding_norm": True},
]


@pytest.mark.parametrize("changes", [*models.architectures(), *OTHERS], ids=str)
def test_the_logits_are_those_of_the_model(changes):
    model = small_model(**changes)
    inputs = some_inputs(changes.get("shape", "decoder"), some_tokens(2, LENGTH))
    with torch.inference_mode():
        torch.testing.assert_close(reordered(model)(inputs), model(inputs), rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("changes", [{}, {"attention": "sliding_window", "window": 7}, {"position": "alibi"}, OTHERS[-1]], ids=str)
def test_it_is_decoded_like_the_model(changes):
    model = small_model(**changes)
    fast, start = reordered(model), (1,) if changes.get("shape") == "encoder_decoder" else ()
    together = generate_batch(fast, PROMPTS, 20, [Greedy() for _ in PROMPTS], start_ids=start)
    assert together == [list(generate(model, prompt, 20, Greedy(), start_ids=start)) for prompt in PROMPTS]
    beams = [[one.tokens for one in beam_search(each, PROMPTS[2], 10, 3, start_ids=start)] for each in (fast, model)]
    assert beams[0] == beams[1]


def test_every_matrix_of_a_decoder_is_reordered_or_joined():
    kinds = {type(module) for module in reordered(small_model()).modules()}
    assert {JoinedAttention, JoinedGated, ReorderedLinear, ReorderedHead} < kinds
    assert nn.Linear not in kinds


def test_the_model_itself_is_left_as_it_was():
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fast = reordered(model)
    assert fast.embedding.weight is model.embedding.weight
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    model(some_inputs("decoder", some_tokens(1, 9))).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_what_onednn_does_not_serve_stays_the_model():
    model = small_model().double()
    assert reordered(model) is model
    with torch.device("meta"):
        meta = models.build_model(models.small_config())
    assert reordered(meta) is meta


@pytest.mark.parametrize("form", [reordered, lambda model: model], ids=["reordered", "plain"])
@pytest.mark.parametrize(
    "changes", [{}, {"position": "t5_bias"}, {"attention": "sliding_window", "window": 7}, OTHERS[-1]], ids=str
)
def test_bf16_weights_move_the_logits_by_their_rounding_alone(changes, form):
    model = small_model(**changes)
    inputs = some_inputs(changes.get("shape", "decoder"), some_tokens(2, 40))
    with torch.inference_mode():
        exact = model(inputs)
        hold_weights(model, "bf16")
        torch.testing.assert_close(form(model)(inputs).float(), exact, rtol=0, atol=BF16_ROUNDING)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert torch.bfloat16 not in {table.dtype for table in model.buffers()}


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_bf16_weights_are_decoded(shape):
    model = small_model(shape=shape, **models.SHAPES[shape])
    hold_weights(model, "bf16")
    start = (1,) if shape == "encoder_decoder" else ()
    for each in (model, reordered(model)):
        assert len(list(generate(each, PROMPTS[2], 20, Greedy(), start_ids=start))) == 20
