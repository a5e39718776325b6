"""Every optimizer against its algorithm, line by line, or against another library's, over 20 steps."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.optimization import Adafactor as TransformersAdafactor

from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import set_learning_rate, trained_parameters
from groundup.train.optim.muon import NEWTON_SCHULZ
from groundup.train.optim.table import build_optimizer
from toys import STEPS, TOLERANCE, rates, set_gradients, toy

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
DECAY = 0.1
Slow = Callable[[Tensor, list[Tensor], list[float], float], Tensor]
"""(first value, gradients, learning rates, weight decay) -> last value."""


def trained(dtype: torch.dtype, config: OptimizerConfig, peak: float) -> nn.Module:
    """Return the toy after 20 steps."""
    module = toy(dtype)
    optimizer = build_optimizer(module, config)
    for step, rate in enumerate(rates(peak)):
        set_gradients(module, step)
        set_learning_rate(optimizer, rate)
        optimizer.step()
    return module


def gradients(dtype: torch.dtype) -> dict[str, list[Tensor]]:
    """Return the gradients of all steps by parameter, as they were given, in float64."""
    module, found = toy(dtype), {name: [] for name, _ in toy().named_parameters()}
    for step in range(STEPS):
        set_gradients(module, step)
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            found[name].append(parameter.grad.double())
    return found


def check(module: nn.Module, slow_of: Callable[[str], tuple[Slow, float]], dtype: torch.dtype, peak: float) -> None:
    """Hold each parameter against the slow algorithm of its role, with the weight decay that it gives."""
    given, start = gradients(dtype), dict(toy(dtype).named_parameters())
    for item in trained_parameters(module):
        slow, decay = slow_of(item.role)
        expected = slow(start[item.name].detach().double(), given[item.name], rates(peak), decay)
        assert (item.parameter - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max(), item.name


def decay_of(role: str) -> float:
    return DECAY if role in ("matrices", "embeddings") else 0.0


def slow_adamw(weight: Tensor, given: list[Tensor], rate_of: list[float], decay: float) -> Tensor:
    """Loshchilov & Hutter 2019, algorithm 2, line by line; without decay Kingma & Ba 2015, algorithm 1."""
    beta1, beta2, eps = 0.9, 0.95, 1e-8
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    for t, (g, rate) in enumerate(zip(given, rate_of, strict=True), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        weight = weight - rate * decay * weight - rate * m_hat / (v_hat.sqrt() + eps)
    return weight


def slow_lion(weight: Tensor, given: list[Tensor], rate_of: list[float], decay: float) -> Tensor:
    """Chen et al. 2023, algorithm 2, line by line."""
    beta1, beta2 = 0.9, 0.99
    m = torch.zeros_like(weight)
    for g, rate in zip(given, rate_of, strict=True):
        c = beta1 * m + (1 - beta1) * g
        weight = weight - rate * (torch.sign(c) + decay * weight)
        m = beta2 * m + (1 - beta2) * g
    return weight


def slow_muon(weight: Tensor, given: list[Tensor], rate_of: list[float], decay: float) -> Tensor:
    """Jordan et al. 2024 with the iteration taken on the singular values of an exact decomposition."""
    a, b, c = NEWTON_SCHULZ
    m = torch.zeros_like(weight)
    for g, rate in zip(given, rate_of, strict=True):
        m = 0.95 * m + 0.05 * g
        u, s, v = torch.linalg.svd(0.95 * m + 0.05 * g, full_matrices=False)
        s = s / s.square().sum().sqrt()
        for _ in range(5):
            s = a * s + b * s**3 + c * s**5
        weight = weight * (1 - rate * decay) - rate * 0.2 * math.sqrt(max(weight.shape)) * (u * s) @ v
    return weight


@DTYPES
def test_adam_is_its_algorithm(dtype: torch.dtype) -> None:
    check(trained(dtype, OptimizerConfig(name="adam"), 0.01), lambda role: (slow_adamw, 0.0), dtype, 0.01)


@DTYPES
def test_adamw_is_its_algorithm(dtype: torch.dtype) -> None:
    check(trained(dtype, OptimizerConfig(), 0.01), lambda role: (slow_adamw, decay_of(role)), dtype, 0.01)


@DTYPES
def test_lion_is_its_algorithm(dtype: torch.dtype) -> None:
    check(trained(dtype, OptimizerConfig(name="lion"), 0.002), lambda role: (slow_lion, decay_of(role)), dtype, 0.002)


@DTYPES
def test_muon_is_its_algorithm_for_matrices_and_adamw_for_all_else(dtype: torch.dtype) -> None:
    module = trained(dtype, OptimizerConfig(name="muon", newton_schulz_precision="fp32"), 0.01)
    check(module, lambda role: (slow_muon if role == "matrices" else slow_adamw, decay_of(role)), dtype, 0.01)


@DTYPES
@pytest.mark.parametrize("adjustment", ["match_rms_adamw", "original"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_torchs_muon(dtype: torch.dtype, adjustment: str, nesterov: bool) -> None:
    settings: dict[str, Any] = {"rate_adjustment": adjustment, "nesterov": nesterov, "learning_rate": 0.01}
    module = trained(dtype, OptimizerConfig(name="muon", adamw_learning_rate=0.01, **settings), 0.01)
    twin = toy(dtype)
    matrices = {item.name: item.parameter for item in trained_parameters(twin) if item.role == "matrices"}
    reference = torch.optim.Muon(matrices.values(), weight_decay=DECAY, nesterov=nesterov, adjust_lr_fn=adjustment)
    for step, rate in enumerate(rates(0.01)):
        set_gradients(twin, step)
        reference.param_groups[0]["lr"] = rate
        reference.step()
    for name, expected in matrices.items():
        found = module.get_parameter(name)
        assert (found - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max(), name


@DTYPES
@pytest.mark.parametrize("relative_step", [True, False])
@pytest.mark.parametrize("scale_parameter", [True, False])
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_adafactor_is_that_of_transformers(dtype: torch.dtype, relative_step: bool, scale_parameter: bool, beta1: float) -> None:
    rate = 1.0 if relative_step else 0.01
    config = OptimizerConfig(name="adafactor", relative_step=relative_step, scale_parameter=scale_parameter, beta1=beta1)
    module, twin = toy(dtype), toy(dtype)
    optimizer = build_optimizer(module, config)
    groups = [{"params": [item.parameter], "weight_decay": decay_of(item.role)} for item in trained_parameters(twin)]
    reference = TransformersAdafactor(
        groups,
        lr=None if relative_step else rate,
        relative_step=relative_step,
        scale_parameter=scale_parameter,
        beta1=beta1 or None,
    )
    for step in range(STEPS):
        set_gradients(module, step)
        set_gradients(twin, step)
        set_learning_rate(optimizer, rate)
        optimizer.step()
        reference.step()
    for found, expected in zip(module.parameters(), twin.parameters(), strict=True):
        assert (found - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max()


@pytest.mark.parametrize("name", ["adam", "adamw", "muon", "lion"])
def test_momentum_in_bf16_is_rounded_between_steps_alone(name: str) -> None:
    """The first step is that of float32; the second one's only difference is the rounding of the mean."""
    rounded, exact = (build_and_step(name, precision, 1) for precision in ("bf16", "fp32"))
    for one, other in zip(rounded[0].parameters(), exact[0].parameters(), strict=True):
        assert torch.equal(one, other)
    for state, full in zip(rounded[1].state.values(), exact[1].state.values(), strict=True):
        for key, value in full.items():
            momentum = key in ("exp_avg", "momentum_buffer")
            assert state[key].dtype == (torch.bfloat16 if momentum else torch.float32)
            assert torch.equal(state[key], value.to(state[key].dtype))


def build_and_step(name: str, precision: str, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    module = toy()
    optimizer = build_optimizer(module, OptimizerConfig.parse({"name": name, "momentum_precision": precision}, "test"))
    for step in range(steps):
        set_gradients(module, step)
        set_learning_rate(optimizer, 0.01)
        optimizer.step()
    return module, optimizer
