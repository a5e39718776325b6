"""The kinds of attention against the slow exact version of what they compute."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import models
from groundup.nn.attention import ATTENTION
from groundup.nn.attention.performer import Performer, orthogonal_features
from groundup.nn.attention.sparse import Blocks, SparseAttention
from groundup.nn.view import View, view_itself

FLOAT32_SUMS = 1e-5
CPU = torch.device("cpu")
PATTERNS = [name for name in ATTENTION if name not in ("full", "performer")]


def mechanism_of(name, **changes):
    return ATTENTION[name](models.small_config(attention=name, **{**models.ATTENTIONS[name], **changes}), "matmul").eval()


def random_heads(length, dtype=torch.float32, heads=(4, 2), seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = (heads[0], heads[1], heads[1])
    return [torch.randn(2, size, length, 8, generator=generator, dtype=torch.float64).to(dtype) for size in sizes]


def exact(query, key, value, seen, bias=None, soft_cap=None):
    """Attention as its definition says, in float64."""
    query, key, value = (x.double() for x in (query, key, value))
    key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    scores = soft_cap * torch.tanh(scores / soft_cap) if soft_cap else scores
    scores = scores if bias is None else scores + bias
    return torch.softmax(scores.masked_fill(~seen, -math.inf), dim=-1) @ value


def pattern(name, length, causal):
    """Which keys each query sees, place by place."""
    if name == "sliding_window":
        seen = [[abs(i - j) < 7 for j in range(length)] for i in range(length)]
    elif name == "sparse_strided":
        seen = [[abs(i - j) < 8 or (i - j) % 8 == 0 for j in range(length)] for i in range(length)]
    elif name == "sparse_fixed":
        seen = [[i // 8 == j // 8 or j % 8 >= 6 for j in range(length)] for i in range(length)]
    else:
        drawn = mechanism_of(name).drawn
        blocks = [{b - 1, b, b + 1, 0, int(drawn[b, 0]) % (b + 1)} for b in range(-(-length // 8))]
        seen = [[i // 8 == 0 or j // 8 in blocks[i // 8] for j in range(length)] for i in range(length)]
    seen = torch.tensor(seen)
    return seen.tril() if causal else seen


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [96, 91, 17, 5, 1])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_what_its_paper_says(name, length, causal):
    heads = random_heads(length)
    mechanism = mechanism_of(name)
    prepared = mechanism.prepare(view_itself(0, length, causal, CPU), None, torch.float32)
    result = mechanism(*heads, prepared)
    torch.testing.assert_close(result.double(), exact(*heads, pattern(name, length, causal)), rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_computed_from_its_keys_alone(name, causal):
    prepared = mechanism_of(name).prepare(view_itself(0, 96, causal, CPU), None, torch.float32)
    assert isinstance(prepared, Blocks)
    assert prepared.bias.shape[-1] < 96


@pytest.mark.parametrize("name", [*PATTERNS, "full"])
@pytest.mark.parametrize("soft_cap", [None, 5.0])
def test_biases_and_soft_caps_act_on_every_pattern(name, soft_cap):
    def bias(queries, keys):
        return torch.sin((queries * 3 + keys).float()).expand(4, *torch.broadcast_shapes(queries.shape, keys.shape))

    heads = random_heads(96)
    mechanism = mechanism_of(name, attention_soft_cap=soft_cap)
    places = torch.arange(96)
    seen = pattern(name, 96, True) if name != "full" else torch.ones(96, 96, dtype=torch.bool).tril()
    wanted = exact(*heads, seen, bias(places[:, None], places[None]).double(), soft_cap)
    prepared = mechanism.prepare(view_itself(0, 96, True, CPU), bias, torch.float32)
    torch.testing.assert_close(mechanism(*heads, prepared).double(), wanted, rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("name", PATTERNS)
def test_gradients_of_a_pattern_are_those_of_the_mask(name):
    heads = [x.requires_grad_() for x in random_heads(96)]
    mechanism = mechanism_of(name)
    weight = torch.randn(2, 4, 96, 8)
    (mechanism(*heads, mechanism.prepare(view_itself(0, 96, True, CPU), None, torch.float32)) * weight).sum().backward()
    found = [x.grad.clone() for x in heads]
    for x in heads:
        x.grad = None
    (exact(*heads, pattern(name, 96, True)) * weight).sum().backward()
    for a, b in zip(found, heads, strict=True):
        torch.testing.assert_close(a, b.grad, rtol=0, atol=10 * FLOAT32_SUMS)


class Largest(TorchDispatchMode):
    """Remembers the most elements of any result."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    ("name", "growth"),
    [("sliding_window", 2.1), ("performer", 2.1), ("big_bird", 2.1), ("sparse_strided", 2.6), ("sparse_fixed", 3.6)],
)
def test_no_result_grows_with_the_square_of_the_length(name, growth, causal):
    """Four times would be the square; the strided and fixed patterns have a share that grows with it, over the stride."""
    sizes = []
    for length in (2048, 4096):
        mechanism = mechanism_of(name, max_seq_len=length, **({"sparse_block": 64} if "sparse_" in name else {}))
        heads = random_heads(length)
        with Largest() as largest:
            mechanism(*heads, mechanism.prepare(view_itself(0, length, causal, CPU), None, torch.float32))
        sizes.append(largest.elements)
    assert sizes[1] <= growth * sizes[0]
    assert sizes[1] < 0.6 * 2 * 4 * 4096**2  # the scores of full attention


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("packed", [False, True])
def test_performer_is_the_sum_over_its_features(causal, packed):
    """Against the quadratic form of the same features, in float64."""
    length = 300
    ids = (torch.arange(length) // 110).expand(2, -1) if packed else None
    mechanism = mechanism_of("performer", max_seq_len=length)
    assert isinstance(mechanism, Performer)
    query, key, value = heads = random_heads(length)
    view = view_itself(0, length, causal, CPU, ids)
    result = mechanism(*heads, mechanism.prepare(view, None, torch.float32))
    q, k = (x.double() * 8**-0.25 for x in (query, key.repeat_interleave(2, dim=1)))
    features = mechanism.features.double()
    phi_q, phi_k = (torch.exp(x @ features.T - x.square().sum(-1, keepdim=True) / 2) for x in (q, k))
    weights = (phi_q @ phi_k.transpose(-2, -1)) * view.visible()[:, None]
    wanted = (weights / weights.sum(-1, keepdim=True)) @ value.double().repeat_interleave(2, dim=1)
    torch.testing.assert_close(result.double(), wanted, rtol=1e-4, atol=1e-4)


def test_performer_comes_nearer_to_softmax_with_more_features():
    """The mean squared error falls as 1 / features (Choromanski et al. 2021, theorem 4 and figure 4)."""
    errors = []
    for features in (16, 64, 256, 1024):
        mechanism = mechanism_of("performer", performer_features=features)
        total = 0.0
        for seed in range(8):
            mechanism.features = orthogonal_features(features, 8, torch.Generator().manual_seed(seed))
            query, key, value = random_heads(96, seed=seed)
            heads = [0.4 * query, 0.4 * key, value]
            view = view_itself(0, 96, False, CPU)
            found = mechanism(*heads, mechanism.prepare(view, None, torch.float32))
            total += (found - exact(*heads, view.visible())).square().mean().item() / 8
        errors.append(total)
    slope = (math.log(errors[-1]) - math.log(errors[0])) / math.log(1024 / 16)
    assert errors == sorted(errors, reverse=True)
    assert -1.4 < slope < -0.7


def test_orthogonal_features_err_less_than_independent_ones():
    """Their purpose (Choromanski et al. 2021, theorem 2), on the kernel exp(x . y) itself."""
    generator = torch.Generator().manual_seed(0)
    x, y = 0.5 * torch.randn(2, 64, 8, generator=generator)

    def error(features):
        products = (torch.exp(z @ features.T - z.square().sum(-1, keepdim=True) / 2) for z in (x, y))
        return (next(products) * next(products)).mean(-1) - (x * y).sum(-1).exp()

    orthogonal = sum(error(orthogonal_features(8, 8, generator)).square().mean() for _ in range(400))
    independent = sum(error(torch.randn(8, 8, generator=generator)).square().mean() for _ in range(400))
    assert orthogonal < 0.95 * independent


def test_features_are_orthogonal_and_as_long_as_gaussian_ones():
    features = orthogonal_features(4000, 8, torch.Generator().manual_seed(0))
    first = features[:8] / features[:8].norm(dim=1, keepdim=True)
    torch.testing.assert_close(first @ first.T, torch.eye(8), rtol=0, atol=1e-5)
    assert features.square().sum(1).mean().item() == pytest.approx(8, rel=0.05)


def test_features_are_the_same_in_every_model():
    one, two = (mechanism_of("performer") for _ in range(2))
    assert torch.equal(one.features, two.features)
    assert not list(one.state_dict())


@pytest.mark.parametrize("name", ATTENTION)
def test_bfloat16_stays_near_float32(name):
    mechanism = mechanism_of(name)
    view = view_itself(0, 96, True, CPU)
    results = [
        mechanism(*random_heads(96, dtype), mechanism.prepare(view, None, dtype)).float()
        for dtype in (torch.float32, torch.bfloat16)
    ]
    torch.testing.assert_close(results[1], results[0], rtol=0.05, atol=0.05)


def test_a_pattern_of_the_place_in_the_document_is_masked_densely_when_packed():
    mechanism = mechanism_of("sparse_fixed")
    assert isinstance(mechanism, SparseAttention)
    ids = (torch.arange(96) // 30)[None]
    prepared = mechanism.prepare(view_itself(0, 96, True, CPU, ids), None, torch.float32)
    assert isinstance(prepared, torch.Tensor)


def test_a_view_of_other_tokens_pairs_documents():
    view = View(torch.arange(3), torch.arange(4), False, torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 1, 1]]))
    assert view.visible()[0].int().tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]]
