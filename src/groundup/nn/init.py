"""The weights that training starts from."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from groundup.nn.config import InitName, ModelConfig
from groundup.nn.residual import deepnorm_factors

Std = Callable[[ModelConfig, str, Tensor], float]
"""Gives the standard deviation of a matrix from its name."""


@torch.no_grad()
def init_weights(model: nn.Module, config: ModelConfig, generator: torch.Generator) -> None:
    """Draw every matrix from a normal distribution whose spread the config's scheme gives; norms start as the plain normalisation.

    The weights depend on the generator's seed alone.
    """
    for name, parameter in model.named_parameters():
        _draw(name, parameter, config, generator)


def first_values(model: nn.Module, config: ModelConfig, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the value of each weight as `init_weights` draws it, one after the other; the model may be on 'meta'."""
    for name, parameter in model.named_parameters():
        value = torch.empty(parameter.shape, dtype=parameter.dtype, device=generator.device)
        yield name, _draw(name, value, config, generator)


def _draw(name: str, tensor: Tensor, config: ModelConfig, generator: torch.Generator) -> Tensor:
    if tensor.ndim == 1:
        return tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    return nn.init.normal_(tensor, std=INITS[config.init](config, name, tensor), generator=generator)


def gpt2(config: ModelConfig, name: str, matrix: Tensor) -> float:
    """init_std; over sqrt(2 * layers) where the residual stream is written (Radford et al. 2019, section 2.3)."""
    return config.init_std / math.sqrt(2 * _depth(config, name)) if _writes_stream(name) else config.init_std


def small(config: ModelConfig, name: str, matrix: Tensor) -> float:
    """sqrt(2 / (5 dim)) (Nguyen & Salazar 2019, section 2.2); 2 / (layers sqrt(dim)) where the stream is written (GPT-NeoX-20B)."""
    return 2 / (_depth(config, name) * math.sqrt(config.dim)) if _writes_stream(name) else math.sqrt(2 / (5 * config.dim))


def t5(config: ModelConfig, name: str, matrix: Tensor) -> float:
    """1 / sqrt(inputs); queries with another 1 / sqrt(head_dim) instead of dividing scores; embeddings 1 (T5, published code)."""
    if "position" in name:
        return float(config.dim**-0.5)
    if _is_table(name) or name == "head.output.weight":
        return 1.0
    spread = float(matrix.shape[1] ** -0.5)
    return spread * config.head_dim**-0.5 if name.endswith("query.weight") and not config.scale_scores else spread


def deepnorm(config: ModelConfig, name: str, matrix: Tensor) -> float:
    """Xavier's sqrt(2 / (inputs + outputs)), times beta in feed-forward, values and outputs (Wang et al. 2022, figure 2)."""
    if _is_table(name):
        return float(config.dim**-0.5)
    _, beta = deepnorm_factors(config, decoder=not name.startswith("encoder."))
    scaled = "feed_forward" in name or name.endswith(("attention.value.weight", "attention.output.weight"))
    gain = beta if scaled else 1.0
    return gain * math.sqrt(2 / sum(matrix.shape))


def mup(config: ModelConfig, name: str, matrix: Tensor) -> float:
    """The scheme of gpt2 at the base width; hidden matrices shrink with sqrt(width ratio) (Yang et al. 2022, table 8)."""
    std = gpt2(config, name, matrix)
    return std if _is_table(name) or name == "head.output.weight" else std * math.sqrt(config.mup_base_dim / config.dim)


def _writes_stream(name: str) -> bool:
    return name.endswith(("attention.output.weight", "feed_forward.down.weight"))


def _is_table(name: str) -> bool:
    """Return whether rows are looked up, not multiplied."""
    return name in ("embedding.weight", "segments.weight") or "position" in name


def _depth(config: ModelConfig, name: str) -> int:
    """Return the layers of the stack that the matrix is of."""
    return config.num_encoder_layers if config.num_encoder_layers and name.startswith("encoder.") else config.num_layers


INITS: Final[dict[InitName, Std]] = {"gpt2": gpt2, "small": small, "t5": t5, "deepnorm": deepnorm, "mup": mup}
