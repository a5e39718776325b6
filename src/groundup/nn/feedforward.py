"""The feed-forward layer: what each token does by itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import FeedForwardName, ModelConfig

Activation = Callable[[Tensor], Tensor]


class FeedForward(nn.Module, ABC):
    """Widen to `ffn_dim`, bend, narrow again; `down` writes to the residual stream."""

    def __init__(self, config: ModelConfig, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.up = nn.Linear(config.dim, config.ffn_dim, bias=config.bias)
        self.down = nn.Linear(config.ffn_dim, config.dim, bias=config.bias)

    @abstractmethod
    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]: ...


class Plain(FeedForward):
    """W_down f(W_up x)  (Vaswani et al. 2017, section 3.3)."""

    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        return self.down(self.activation(self.up(x)))  # type: ignore[no-any-return]


class Gated(FeedForward):
    """W_down (f(W_gate x) * W_up x)  (Shazeer 2020, equations 5 and 6)."""

    def __init__(self, config: ModelConfig, activation: Activation) -> None:
        super().__init__(config, activation)
        self.gate = nn.Linear(config.dim, config.ffn_dim, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        return self.down(self.activation(self.gate(x)) * self.up(x))  # type: ignore[no-any-return]


def relu_squared(x: Tensor) -> Tensor:
    """max(x, 0)^2  (So et al. 2021, section 4)."""
    return F.relu(x).square()


_gelu_tanh = partial(F.gelu, approximate="tanh")

FEED_FORWARD: Final[dict[FeedForwardName, Callable[[ModelConfig], FeedForward]]] = {
    "swiglu": partial(Gated, activation=F.silu),
    "geglu": partial(Gated, activation=F.gelu),
    "geglu_tanh": partial(Gated, activation=_gelu_tanh),
    "reglu": partial(Gated, activation=F.relu),
    "gelu": partial(Plain, activation=F.gelu),
    "gelu_tanh": partial(Plain, activation=_gelu_tanh),
    "relu": partial(Plain, activation=F.relu),
    "relu_squared": partial(Plain, activation=relu_squared),
    "silu": partial(Plain, activation=F.silu),
}
"""Name -> class(config). 'gelu' takes the exact error function, 'gelu_tanh' the approximation of Hendrycks & Gimpel 2016."""
