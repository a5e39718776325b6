from typing import get_args

import pytest
import torch
from torch import Tensor, nn

import models
from groundup.nn.transformer import Inputs
from groundup.train.config import OptimizerConfig
from groundup.train.optim import OPTIMIZERS, build_optimizer, load_state_tensors, set_learning_rate, state_tensors

STEPS = 20
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}  # rounding of 20 updates
CONFIG = OptimizerConfig(learning_rate=0.01, weight_decay=0.1)


def model(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 5), nn.LayerNorm(5)).to(dtype)


def set_gradients(module: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in module.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter.dtype)


def slow_adamw(weight: Tensor, gradients: list[Tensor], rates: list[float], decay: float) -> Tensor:
    """Loshchilov & Hutter 2019, algorithm 2, line by line in float64."""
    weight, m, v = weight.double().clone(), torch.zeros_like(weight).double(), torch.zeros_like(weight).double()
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        g = gradient.double()
        m = CONFIG.beta1 * m + (1 - CONFIG.beta1) * g
        v = CONFIG.beta2 * v + (1 - CONFIG.beta2) * g * g
        m_hat, v_hat = m / (1 - CONFIG.beta1**t), v / (1 - CONFIG.beta2**t)
        weight = weight - rate * decay * weight - rate * m_hat / (v_hat.sqrt() + CONFIG.eps)
    return weight


def test_table_equals_config() -> None:
    assert set(OPTIMIZERS) == set(get_args(OptimizerConfig.model_fields["name"].annotation))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adamw_against_the_algorithm(dtype: torch.dtype) -> None:
    module = model(dtype)
    start = [parameter.detach().clone() for parameter in module.parameters()]
    gradients: list[list[Tensor]] = [[] for _ in start]
    rates = [0.01 / (1 + step) for step in range(STEPS)]
    optimizer = build_optimizer(module, CONFIG)
    for step, rate in enumerate(rates):
        set_gradients(module, step)
        for kept, parameter in zip(gradients, module.parameters(), strict=True):
            assert parameter.grad is not None
            kept.append(parameter.grad.clone())
        set_learning_rate(optimizer, rate)
        optimizer.step()
    for parameter, first, taken in zip(module.parameters(), start, gradients, strict=True):
        expected = slow_adamw(first, taken, rates, decay=0.1 if parameter.ndim >= 2 else 0.0)
        assert (parameter - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max()


def test_decay_acts_on_matrices_only() -> None:
    module = model()
    optimizer = build_optimizer(module, CONFIG)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in module.named_parameters()} == {
        "0.weight": 0.1,
        "1.weight": 0.1,
        "1.bias": 0.0,
        "2.weight": 0.0,
        "2.bias": 0.0,
    }


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_survives_a_round_trip_bit_for_bit(name: str) -> None:
    config = OptimizerConfig.parse({"name": name}, "test")
    module, twin = model(), model()
    optimizer, restored = build_optimizer(module, config), build_optimizer(twin, config)
    for step in range(3):
        set_gradients(module, step)
        optimizer.step()
    twin.load_state_dict(module.state_dict())
    load_state_tensors(restored, {key: value.clone() for key, value in state_tensors(optimizer).items()})
    for step in range(3, 6):
        for m, o in ((module, optimizer), (twin, restored)):
            set_gradients(m, step)
            o.step()
    for parameter, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, other)
    assert all(torch.equal(value, state_tensors(restored)[key]) for key, value in state_tensors(optimizer).items())


def test_learning_rate_left_open_falls_with_the_width():
    assert OptimizerConfig().peak(models.small_config(dim=192)) == pytest.approx(0.5 / 192)
    assert OptimizerConfig().peak(models.small_config(dim=768)) == pytest.approx(6.5e-4, rel=0.01)
    assert OptimizerConfig(learning_rate=1e-3).peak(models.small_config(dim=768)) == 1e-3


def change_of_a_product(dim: int, **changes: object) -> float:
    """Return by how much one step changes what a hidden matrix makes of its inputs, root mean square."""
    model = models.small_model(dim=dim, ffn_dim=2 * dim, num_heads=dim // 16, num_kv_heads=dim // 16, **changes)
    matrix = model.decoder.blocks[1].feed_forward.up
    given: list[Tensor] = []
    matrix.register_forward_hook(lambda _, inputs, output: given.append(inputs[0].detach()))
    before, tokens = matrix.weight.detach().clone(), models.some_tokens(8, 32)
    optimizer = build_optimizer(model, OptimizerConfig(weight_decay=0.0))
    set_learning_rate(optimizer, 1e-3)
    logits = model(Inputs(tokens[:, :-1]))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()
    return (given[0] @ (matrix.weight - before).T).square().mean().sqrt().item()


def test_mup_steps_change_the_model_alike_at_any_width() -> None:
    """A step of Adam moves a product by the width times the learning rate (Yang et al. 2022, appendix J.2.1): mup divides by it."""
    plain = [change_of_a_product(dim) for dim in (64, 512)]
    scaled = [change_of_a_product(dim, init="mup", mup_base_dim=64) for dim in (64, 512)]
    assert scaled[1] / scaled[0] < 1.2 < 2 < plain[1] / plain[0]
    assert scaled[0] == pytest.approx(plain[0])
