"""The weights that training starts from."""

import torch
from torch import nn

from groundup.nn.config import ModelConfig

_RESIDUAL = ("attention.output.weight", "feed_forward.down.weight")
"""Matrices whose result is added to the residual stream."""


@torch.no_grad()
def init_weights(model: nn.Module, config: ModelConfig, generator: torch.Generator) -> None:
    """Draw matrices from N(0, init_std^2), those that write to the residual stream with init_std / sqrt(2 * num_layers).

    So the stream's variance does not grow with depth (Radford et al. 2019, section 2.3). Norms start as the plain normalisation.
    The weights depend on the generator's seed alone.
    """
    residual_std = config.init_std / (2 * config.num_layers) ** 0.5
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            std = residual_std if name.endswith(_RESIDUAL) else config.init_std
            nn.init.normal_(parameter, std=std, generator=generator)
