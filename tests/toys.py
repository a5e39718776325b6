"""A model with every role of parameters, and gradients for it."""

import torch
from torch import nn

STEPS = 20
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Rounding of 20 updates, relative to the largest entry of a parameter."""


def toy(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return an embedding, a standing, a lying and a square matrix, biases and norms."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 5), nn.LayerNorm(5), nn.Linear(5, 8), nn.Linear(8, 8)).to(dtype)


def set_gradients(module: nn.Module, step: int) -> None:
    """Give every parameter a gradient that depends on the step alone, the first ones the larger."""
    generator = torch.Generator().manual_seed(step)
    for parameter in module.parameters():
        gradient = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / (1 + step)
        parameter.grad = gradient.to(parameter.dtype)


def rates(peak: float) -> list[float]:
    """Return a learning rate for each of the steps."""
    return [peak / (1 + step / 10) for step in range(STEPS)]
