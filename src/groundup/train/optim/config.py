"""The settings of an optimizer."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.nn.config import ModelConfig

OptimizerName = Literal["adam", "adamw", "adafactor", "muon", "lion"]
Role = Literal["matrices", "head", "embeddings", "norms", "biases"]
"""What a parameter is in its model (groundup.train.optim.groups tells)."""
Decayed = Literal["matrices", "embeddings", "norms", "biases"]
MomentumPrecision = Literal["fp32", "bf16"]
RateAdjustment = Literal["match_rms_adamw", "original"]

LEARNING_RATE_WIDTH = 0.5
"""Peak learning rate times width, where the recipe leaves the rate open (docs/log.md)."""
LION_RATE_SHARE = 0.2
"""Lion's peak over AdamW's: every entry moves by the whole rate. Chen et al. 2023, section 5, take a tenth to a third."""
MUON_RATE = 0.02
"""Peak at any width with rate_adjustment='original' (Jordan et al. 2024)."""
ADAFACTOR_RATE = 0.01
"""Peak where it is relative to the size of a parameter (Shazeer & Stern 2018, algorithm 4)."""

_ADAMS: Final = ("adam", "adamw", "muon")
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "weight_decay": dict.fromkeys(("adamw", "adafactor", "muon", "lion"), 0.1),
    "decayed": dict.fromkeys(("adamw", "adafactor", "muon", "lion"), ("matrices", "embeddings")),
    "beta1": {**dict.fromkeys(_ADAMS, 0.9), "adafactor": 0.0, "lion": 0.9},
    "beta2": {**dict.fromkeys(_ADAMS, 0.95), "lion": 0.99},
    "eps": {**dict.fromkeys(_ADAMS, 1e-8), "adafactor": 1e-30},
    "momentum_precision": dict.fromkeys(("adam", "adamw", "adafactor", "muon", "lion"), "fp32"),
    "momentum": {"muon": 0.95},
    "nesterov": {"muon": True},
    "newton_schulz_steps": {"muon": 5},
    "newton_schulz_precision": {"muon": "bf16"},
    "rate_adjustment": {"muon": "match_rms_adamw"},
    "adamw_learning_rate": {"muon": None},
    "relative_step": {"adafactor": True},
    "scale_parameter": {"adafactor": True},
    "min_scale": {"adafactor": 1e-3},
    "clip_threshold": {"adafactor": 1.0},
    "decay_rate": {"adafactor": 0.8},
}
"""Key -> optimizers on which it acts, each with its default. A key that is not here acts on all."""


def _meaning(key: str, words: str) -> str:
    """Return what the key does, for which optimizers, and their defaults."""
    owners: dict[str, list[str]] = {}
    for name, default in DEFAULTS[key].items():
        owners.setdefault(_shown(default), []).append(name)
    listed = (f"{', '.join(names)}: {default}" for default, names in owners.items())
    return f"{words}; {', '.join(listed)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return " and ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


class OptimizerConfig(Config):
    """How gradients change the weights; a key left null takes its optimizer's default, and acts on no other."""

    name: OptimizerName = Field(
        default="adamw",
        description="adam: Kingma & Ba 2015; adamw: Loshchilov & Hutter 2019; adafactor: Shazeer & Stern 2018; "
        "muon: Jordan et al. 2024, with adamw for all but the blocks' matrices; lion: Chen et al. 2023",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="peak learning rate; null: 0.5 / width of the model, lion 0.1 / width, muon with rate_adjustment=original "
        "0.02, adafactor with relative_step 1, with scale_parameter alone 0.01",
    )
    weight_decay: float | None = Field(
        default=None,
        ge=0,
        description=_meaning("weight_decay", "share of what is decayed taken off per step and unit of learning rate"),
    )
    decayed: tuple[Decayed, ...] | None = Field(
        default=None, min_length=1, description=_meaning("decayed", "what weight_decay acts on; matrices: the head's too")
    )
    beta1: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description=_meaning("beta1", "decay of the mean of gradients, per step; in adafactor 0 keeps none"),
    )
    beta2: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description=_meaning("beta2", "decay of the mean of squared gradients, per step; lion: of the mean"),
    )
    eps: float | None = Field(
        default=None, gt=0, description=_meaning("eps", "added to the root of the mean square; adafactor: to the squares")
    )
    momentum_precision: MomentumPrecision | None = Field(
        default=None,
        description=_meaning("momentum_precision", "how the mean of gradients is kept between steps; sums are in fp32"),
    )
    momentum: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description=_meaning("momentum", "decay of the mean of gradients of the blocks' matrices, per step"),
    )
    nesterov: bool | None = Field(default=None, description=_meaning("nesterov", "look one step ahead of the mean"))
    newton_schulz_steps: int | None = Field(
        default=None, gt=0, le=20, description=_meaning("newton_schulz_steps", "iterations that make a mean orthogonal")
    )
    newton_schulz_precision: MomentumPrecision | None = Field(
        default=None, description=_meaning("newton_schulz_precision", "what they multiply in; fp32 where bf16 is not faster")
    )
    rate_adjustment: RateAdjustment | None = Field(
        default=None,
        description=_meaning(
            "rate_adjustment",
            "factor of a rows x columns matrix; match_rms_adamw: 0.2 sqrt(max(rows, columns)) (Liu et al. 2025), "
            "original: sqrt(max(1, rows / columns))",
        ),
    )
    adamw_learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="peak of what muon leaves to adamw; null: learning_rate, with rate_adjustment=original 0.5 / width",
    )
    relative_step: bool | None = Field(
        default=None, description=_meaning("relative_step", "the rate of step t is learning_rate times min(0.01, 1 / sqrt(t))")
    )
    scale_parameter: bool | None = Field(
        default=None, description=_meaning("scale_parameter", "the rate is times the root mean square of the parameter")
    )
    min_scale: float | None = Field(
        default=None, gt=0, description=_meaning("min_scale", "the least root mean square that scale_parameter counts with")
    )
    clip_threshold: float | None = Field(
        default=None, gt=0, description=_meaning("clip_threshold", "root mean square above which an update is scaled down")
    )
    decay_rate: float | None = Field(
        default=None, gt=0, le=1, description=_meaning("decay_rate", "c of the decay 1 - t^-c of the mean of squared gradients")
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        """Give the keys of the optimizer that are left open its defaults."""
        if not isinstance(data, Mapping):
            return data
        name = data.get("name", "adamw")
        own = {key: defaults[name] for key, defaults in DEFAULTS.items() if isinstance(name, str) and name in defaults}
        return {**own, **{key: value for key, value in data.items() if value is not None or key not in own}}

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for key, defaults in DEFAULTS.items():
            value = getattr(self, key)
            if value is not None and self.name not in defaults:
                raise ValueError(
                    f"{key}={_shown(value)} has no effect with name='{self.name}'; it belongs to name="
                    f"{' or '.join(repr(name) for name in defaults)}: set that, or leave {key} out"
                )
        if self.name == "adafactor":
            self._check_adafactor()
        return self

    def _check_adafactor(self) -> None:
        default = DEFAULTS["min_scale"]["adafactor"]
        if not self.scale_parameter and self.min_scale != default:
            raise ValueError(
                f"min_scale={self.min_scale:g} has no effect with scale_parameter=false; leave it out, or set scale_parameter=true"
            )
        if self.momentum_precision == "bf16" and not self.beta1:
            raise ValueError("momentum_precision=bf16 has no effect with beta1=0, which keeps no mean; leave it out, or set beta1")

    def numbers(self, *keys: str) -> tuple[float, ...]:
        """Return the values of keys that act on this optimizer."""
        values = tuple(getattr(self, key) for key in keys)
        assert None not in values, f"{keys} are not all of '{self.name}'"
        return values

    def peak(self, model: ModelConfig) -> float:
        """Return the peak learning rate of the model; with init=mup that of its base width, which its matrices are scaled from.

        Left open, AdamW's falls as 1/width: 2.6e-3 at 192, 6.5e-4 at 768; GPT-3 small has 6e-4 (Brown et al. 2020, table 2.1).
        """
        if self.learning_rate is not None:
            return self.learning_rate
        if self.relative_step:
            return 1.0
        if self.scale_parameter:
            return ADAFACTOR_RATE
        if self.rate_adjustment == "original":
            return MUON_RATE
        return adamw_peak(model) * (LION_RATE_SHARE if self.name == "lion" else 1.0)

    def sized(self) -> "OptimizerConfig":
        """Return the settings with those at their defaults that change neither time nor memory."""
        decisive = ("name", "momentum_precision", "newton_schulz_steps", "newton_schulz_precision")
        beta1 = {"beta1": self.beta1} if self.name == "adafactor" else {}
        return OptimizerConfig.model_validate({key: getattr(self, key) for key in decisive} | beta1)


def adamw_peak(model: ModelConfig) -> float:
    """Return AdamW's peak learning rate at the model's width, with init=mup at its base width."""
    return LEARNING_RATE_WIDTH / (model.mup_base_dim if model.init == "mup" else model.dim)
