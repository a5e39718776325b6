"""The frequencies of rotary positions, and how they are stretched for text longer than they were trained on."""

import math
from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.nn.config import ModelConfig, RopeScalingName

Scaled = tuple[Tensor, float]
"""Frequencies [rotary_dims / 2] and what cosine and sine are multiplied by."""

YARN_FAST_TURNS, YARN_SLOW_TURNS = 32.0, 1.0
"""Turns over the original length above which a dim is left alone, and below which it is interpolated (YaRN, section 3.2)."""
LLAMA3_FAST_TURNS, LLAMA3_SLOW_TURNS = 4.0, 1.0
"""The same bounds as published with Llama 3.1."""


def rotary_frequencies(config: ModelConfig) -> Scaled:
    """Return the frequencies of the config, scaled as it says, on the CPU."""
    return ROPE_SCALINGS[config.rope_scaling](config)


def plain(config: ModelConfig, theta: float | None = None) -> Float[Tensor, " half"]:
    """Return theta^(-2i/d) for each pair i of the d dims that turn."""
    dims = config.rotary_dims
    exponents = torch.arange(0, dims, 2, dtype=torch.float32, device="cpu") / dims
    frequencies: Tensor = (theta or config.rope_theta) ** -exponents
    return frequencies


def unscaled(config: ModelConfig) -> Scaled:
    """The frequencies as they are."""
    return plain(config), 1.0


def linear(config: ModelConfig) -> Scaled:
    """All frequencies divided by the factor: position interpolation (Chen et al. 2023, equation 4)."""
    return plain(config) / config.rope_factor, 1.0


def ntk(config: ModelConfig) -> Scaled:
    """A larger base, by which the fastest pair stays as it is and the slowest is divided by the factor (YaRN, section 3.1)."""
    dims = config.rotary_dims
    theta = config.rope_theta * config.rope_factor ** (dims / (dims - 2)) if dims > 2 else config.rope_theta
    return plain(config, theta), 1.0


def yarn(config: ModelConfig) -> Scaled:
    """Slow pairs interpolated, fast ones left alone, a ramp over the pairs between; sharper scores  (Peng et al. 2023).

    The ramp runs over the numbers of the pairs whose turns over the original length are the two bounds, rounded outwards; scores
    are multiplied by (0.1 ln(factor) + 1)^2 (section 3.3), half of it in the queries and half in the keys.
    """
    frequencies = plain(config)
    low = max(math.floor(_pair_of(YARN_FAST_TURNS, config)), 0)
    high = min(math.ceil(_pair_of(YARN_SLOW_TURNS, config)), config.rotary_dims - 1)
    pairs = torch.arange(len(frequencies), dtype=torch.float32, device="cpu")
    interpolated = ((pairs - low) / max(high - low, 0.001)).clamp(0, 1)
    mixed = frequencies / config.rope_factor * interpolated + frequencies * (1 - interpolated)
    return mixed, 0.1 * math.log(config.rope_factor) + 1.0


def llama3(config: ModelConfig) -> Scaled:
    """Slow pairs interpolated, fast ones left alone, a ramp over the turns between (Llama 3.1's published code)."""
    assert config.rope_original_len is not None, "settings ask for it"
    frequencies = plain(config)
    turns = config.rope_original_len * frequencies / (2 * math.pi)
    kept = ((turns - LLAMA3_SLOW_TURNS) / (LLAMA3_FAST_TURNS - LLAMA3_SLOW_TURNS)).clamp(0, 1)
    return frequencies / config.rope_factor * (1 - kept) + frequencies * kept, 1.0


def _pair_of(turns: float, config: ModelConfig) -> float:
    """Return the number of the pair, a fraction, that turns so often over the original length."""
    assert config.rope_original_len is not None, "settings ask for it"
    ratio = config.rope_original_len / (turns * 2 * math.pi)
    return config.rotary_dims * math.log(ratio) / (2 * math.log(config.rope_theta))


ROPE_SCALINGS: Final[dict[RopeScalingName, Callable[[ModelConfig], Scaled]]] = {
    "none": unscaled,
    "linear": linear,
    "ntk": ntk,
    "yarn": yarn,
    "llama3": llama3,
}
