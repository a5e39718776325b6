"""Rotary frequencies as Hugging Face writes them."""

from typing import Any

from groundup.nn.config import ModelConfig, RopeScalingName
from groundup.nn.formats.given import Given
from groundup.nn.positions.frequencies import (
    LLAMA3_FAST_TURNS,
    LLAMA3_SLOW_TURNS,
    YARN_FAST_TURNS,
    YARN_SLOW_TURNS,
)

SCALINGS: dict[str, RopeScalingName] = {"default": "none", "linear": "linear", "yarn": "yarn", "llama3": "llama3"}
"""Their type -> ours. 'ntk' is a larger rope_theta, and is written so."""
BOUNDS: dict[str, dict[str, Any]] = {
    "none": {},
    "linear": {},
    "yarn": {"beta_fast": YARN_FAST_TURNS, "beta_slow": YARN_SLOW_TURNS},
    "llama3": {"high_freq_factor": LLAMA3_FAST_TURNS, "low_freq_factor": LLAMA3_SLOW_TURNS},
}
"""Constants of each scaling, which are not among our settings."""
ROPE_KEYS = frozenset({"rope_theta", "rope_scaling", "rope_factor", "rope_original_len"})
"""Our settings that are written here."""


def read_rotary(given: Given, theta_key: str = "rope_theta") -> dict[str, Any]:
    """Return our settings of the frequencies; ConfigError for a scaling that we lack.

    Version 5 of transformers has one object `rope_parameters`; before, the base stood beside `rope_scaling`.
    """
    rope = given.section("rope_parameters", "rope_scaling")
    kind_key = "rope_type" if rope.has("rope_type") else "type"
    scaling = rope.choice(kind_key, SCALINGS, default="default")
    theta = rope.number("rope_theta", default=given.number(theta_key, default=10_000.0))
    settings: dict[str, Any] = {"rope_theta": theta, "rope_scaling": scaling}
    rope.only(**BOUNDS[scaling], attention_factor=None, mscale=None, mscale_all_dim=None, truncate=True)
    if scaling != "none":
        settings["rope_factor"] = rope.number("factor")
    if scaling in ("yarn", "llama3"):
        before = given.whole("original_max_position_embeddings", "max_position_embeddings")
        settings["rope_original_len"] = rope.whole("original_max_position_embeddings", default=before)
    return settings


def write_rotary(config: ModelConfig, **more: Any) -> dict[str, Any]:
    """Return the keys of the frequencies, those of before version 5 of transformers among them; `more` is said beside them."""
    rope = _rope_parameters(config) | more
    scaled = rope["rope_type"] != "default"
    return {"rope_parameters": rope, "rope_theta": rope["rope_theta"], "rope_scaling": rope if scaled else None}


def rope_base(config: ModelConfig) -> float:
    """Return the base of the frequencies; that of 'ntk' is a larger one."""
    dims = config.rotary_dims
    grows = config.rope_scaling == "ntk" and dims > 2
    return config.rope_theta * (config.rope_factor ** (dims / (dims - 2)) if grows else 1.0)


def _rope_parameters(config: ModelConfig) -> dict[str, Any]:
    if config.rope_scaling == "ntk":
        return {"rope_type": "default", "rope_theta": rope_base(config)}
    theirs = {ours: name for name, ours in SCALINGS.items()}
    rope = {"rope_type": theirs[config.rope_scaling], "rope_theta": config.rope_theta, **BOUNDS[config.rope_scaling]}
    if config.rope_scaling != "none":
        rope["factor"] = config.rope_factor
    if config.rope_original_len is not None:
        rope["original_max_position_embeddings"] = config.rope_original_len
    return rope
