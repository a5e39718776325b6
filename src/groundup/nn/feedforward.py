"""The feed-forward layer: what each token does by itself."""

from abc import ABC, abstractmethod
from typing import Final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import FeedForwardName, ModelConfig


class FeedForward(nn.Module, ABC):
    """Widen to `ffn_dim`, bend, narrow again; `down` writes to the residual stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.down = nn.Linear(config.ffn_dim, config.dim, bias=False)

    @abstractmethod
    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]: ...


class SwiGLU(FeedForward):
    """W_down (silu(W_gate x) * W_up x)  (Shazeer 2020, equation 6)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.gate = nn.Linear(config.dim, config.ffn_dim, bias=False)

    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        return self.down(F.silu(self.gate(x)) * self.up(x))  # type: ignore[no-any-return]


class GELU(FeedForward):
    """W_down gelu(W_up x), with the exact error function  (Hendrycks & Gimpel 2016, section 2)."""

    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        return self.down(F.gelu(self.up(x)))  # type: ignore[no-any-return]


FEED_FORWARD: Final[dict[FeedForwardName, type[FeedForward]]] = {"swiglu": SwiGLU, "gelu": GELU}
