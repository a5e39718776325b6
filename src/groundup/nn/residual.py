"""Where the norms of a block stand, and how what its parts compute is added to the residual stream."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.config import ModelConfig, ResidualName
from groundup.nn.norms import NORMS

Part = Callable[[Tensor], Tensor]
"""Attention, cross-attention or feed-forward, on a stream [batch, seq, dim]."""


class Residual(nn.Module, ABC):
    """One block's wiring; built as class(config, number of parts, in a decoder)."""

    def __init__(self, config: ModelConfig, num_norms: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(NORMS[config.norm](config.dim, config.norm_eps) for _ in range(num_norms))
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    @abstractmethod
    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]: ...


class PreNorm(Residual):
    """x + f(norm(x)) for each part (Xiong et al. 2020)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, num_parts)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        for norm, part in zip(self.norms, parts, strict=True):
            x = x + self.dropout(part(norm(x)))
        return x


class PostNorm(Residual):
    """norm(x + f(x)) for each part: the original "Add & Norm" (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, num_parts)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        for norm, part in zip(self.norms, parts, strict=True):
            x = norm(x + self.dropout(part(x)))
        return x


class Sandwich(Residual):
    """x + norm(f(norm(x))) for each part (Ding et al. 2021, section 2.4; "peri-LN", Kim et al. 2025)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, 2 * num_parts)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        for before, part, after in zip(self.norms[0::2], parts, self.norms[1::2], strict=True):
            x = x + self.dropout(after(part(before(x))))
        return x


class Parallel(Residual):
    """x + f(norm(x)) + g(norm'(x)): all parts read the same stream, each through a norm of its own (GPT-NeoX)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, num_parts)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        added = [self.dropout(part(norm(x))) for norm, part in zip(self.norms, parts, strict=True)]
        return sum(added, x)


class ParallelShared(Residual):
    """x + f(norm(x)) + g(norm(x)): all parts read the same normalised stream (GPT-J; PaLM, section 2)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, 1)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        normed = self.norms[0](x)
        added = [self.dropout(part(normed)) for part in parts]
        return sum(added, x)


class DeepNorm(Residual):
    """norm(alpha * x + f(x)) for each part, with alpha rising with the depth (Wang et al. 2022, figure 2)."""

    def __init__(self, config: ModelConfig, num_parts: int, decoder: bool) -> None:
        super().__init__(config, num_parts)
        self.alpha, _ = deepnorm_factors(config, decoder)

    def forward(self, x: Float[Tensor, "batch seq dim"], parts: Sequence[Part]) -> Float[Tensor, "batch seq dim"]:
        for norm, part in zip(self.norms, parts, strict=True):
            x = norm(self.alpha * x + self.dropout(part(x)))
        return x


def deepnorm_factors(config: ModelConfig, decoder: bool) -> tuple[float, float]:
    """Return alpha (of the stream) and beta (of the first weights) of one stack, N encoder and M decoder layers.

    Wang et al. 2022, figure 2: (2N)^(1/4) and (8N)^(-1/4) for one stack alone; in an encoder-decoder 0.81 (N^4 M)^(1/16) and
    0.87 (N^4 M)^(-1/16) for the encoder, (3M)^(1/4) and (12M)^(-1/4) for the decoder.
    """
    encoder_layers, layers = config.num_encoder_layers, config.num_layers
    if not encoder_layers:
        return (2 * layers) ** 0.25, (8 * layers) ** -0.25
    if decoder:
        return (3 * layers) ** 0.25, (12 * layers) ** -0.25
    depth = (encoder_layers**4 * layers) ** (1 / 16)
    return 0.81 * depth, 0.87 / depth


RESIDUALS: Final[dict[ResidualName, Callable[[ModelConfig, int, bool], Residual]]] = {
    "pre": PreNorm,
    "post": PostNorm,
    "sandwich": Sandwich,
    "parallel": Parallel,
    "parallel_shared": ParallelShared,
    "deepnorm": DeepNorm,
}
"""Name -> class(config, number of parts, in a decoder)."""
FINAL_NORM: Final[tuple[ResidualName, ...]] = ("pre", "sandwich", "parallel", "parallel_shared")
"""Wirings whose stream is still to be normalised after the last block."""
