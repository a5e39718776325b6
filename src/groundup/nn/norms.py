"""Normalisation of vectors."""

from abc import ABC, abstractmethod
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import NormName
from groundup.nn.precision import compute_dtype


class Norm(nn.Module, ABC):
    """A normalisation of the last dim.

    Statistics are taken in float32 (float64 for float64) whatever the input dtype; the result is in the compute dtype, so that the
    products that follow need no cast of their own.
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.shape = (dim,)
        self.eps = eps

    @abstractmethod
    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]: ...


class RMSNorm(Norm):
    """Scale each vector to unit root-mean-square: y = g * x / sqrt(mean(x^2) + eps)  (Zhang & Sennrich 2019, equation 4)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__(dim, eps)
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return F.rms_norm(_widened(x), self.shape, _widened(self.weight), self.eps).to(compute_dtype(x))


class PlainRMSNorm(Norm):
    """Scale each vector to unit root-mean-square, with nothing learned: y = x / sqrt(mean(x^2) + eps)."""

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return F.rms_norm(_widened(x), self.shape, eps=self.eps).to(compute_dtype(x))


class LayerNorm(Norm):
    """Centre and scale each vector: y = g * (x - mean(x)) / sqrt(var(x) + eps) + b  (Ba et al. 2016, equation 4)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__(dim, eps)
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        normed = F.layer_norm(_widened(x), self.shape, _widened(self.weight), _widened(self.bias), self.eps)
        return normed.to(compute_dtype(x))


class LayerNormNoBias(Norm):
    """Centre and scale each vector: y = g * (x - mean(x)) / sqrt(var(x) + eps)  (as in PaLM, section 2)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__(dim, eps)
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return F.layer_norm(_widened(x), self.shape, _widened(self.weight), eps=self.eps).to(compute_dtype(x))


def _widened(x: Tensor) -> Tensor:
    """Return `x` in at least float32; no copy if it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


NORMS: Final[dict[NormName, type[Norm]]] = {
    "rms": RMSNorm,
    "layer": LayerNorm,
    "layer_no_bias": LayerNormNoBias,
    "rms_plain": PlainRMSNorm,
}
