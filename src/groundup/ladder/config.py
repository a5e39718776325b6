"""The settings of a ladder."""

from collections.abc import Sequence
from typing import Any, Self

import yaml
from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError

AUTO = "auto"
EXAMPLE = "--ladder widths=64,96,128 --ladder tokens_per_param=5,10,20"


class LadderConfig(Config):
    """Which small runs: each width with each number of tokens per parameter."""

    widths: tuple[int, ...] = Field(min_length=1, description="widths of the residual stream (model.dim)")
    layers: tuple[int, ...] | None = Field(
        default=None, description="blocks of each width; null: in the recipe's proportion to its width, or one for each 64 of it"
    )
    tokens_per_param: tuple[float, ...] = Field(min_length=1, description="tokens of training over parameters, embeddings included")
    max_share: float = Field(
        default=1.0, gt=0, le=1, description="most FLOPs of a run over those of the recipe's own; runs above it are left out"
    )
    min_tokens: int = Field(
        default=0, ge=0, description="runs of fewer tokens are left out: those that end where every model begins, on unigrams"
    )
    batch_exponent: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="a run of D tokens has the recipe's batch times (D / D of the recipe)^this; 0: the recipe's batch. "
        "Li et al. 2025 (Step Law) find 0.571",
    )
    evaluations: int = Field(default=40, ge=4, le=1000, description="times that each run is scored on held-out text, evenly")
    held_out_tokens: int = Field(default=16_384, gt=0, description="held-out text scored each time, the same in all runs [tokens]")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("widths", "tokens_per_param"):
            values = getattr(self, key)
            if min(values) <= 0 or len(set(values)) < len(values):
                raise ValueError(f"{key}={','.join(f'{value:g}' for value in values)}: they should differ and lie above 0")
        if self.layers is not None and len(self.layers) != len(self.widths):
            raise ValueError(
                f"layers={','.join(map(str, self.layers))} are {len(self.layers)} depths for {len(self.widths)} widths; say one "
                "for each, or leave layers out"
            )
        return self


def read_ladder(items: Sequence[str]) -> LadderConfig | None:
    """Return the ladder that `KEY=VALUE,...` items of the command line say; None for `auto`.

    Raises ConfigError with an example if they say none.
    """
    if list(items) == [AUTO]:
        return None
    data: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"--ladder {item}: write it as KEY=VALUE,..., for example {EXAMPLE}, or --ladder {AUTO}")
        if key in data:
            raise ConfigError(f"--ladder {item}: '{key}' stands there twice; leave one out")
        field = LadderConfig.model_fields.get(key)
        several = field is not None and "tuple" in str(field.annotation)
        try:
            data[key] = yaml.safe_load(f"[{text}]" if several else text)
        except yaml.YAMLError:
            raise ConfigError(f"--ladder {item}: '{text}' is neither a number nor a list of them; for example {EXAMPLE}") from None
    return LadderConfig.parse(data, "--ladder")
