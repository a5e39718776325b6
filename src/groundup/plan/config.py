"""What a plan is made from."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.nn.config import ArchitectureConfig, check_heads, check_pairs, check_reach
from groundup.nn.presets.config import find_preset
from groundup.train.config import TrainConfig
from groundup.train.objectives.config import check_shape


class BudgetConfig(Config):
    """What may be spent."""

    minutes: float | None = Field(default=None, gt=0, description="wall-clock time of the training loop on this machine [min]")
    tokens: int | None = Field(default=None, gt=0, description="tokens of text to train on, repeats included")

    enforce: bool = Field(
        default=False,
        description="end within minutes whatever the machine does, on fewer steps than planned if need be; false: take the steps",
    )

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if self.minutes is None and self.tokens is None:
            raise ValueError("say minutes, tokens or both")
        if self.enforce and self.minutes is None:
            raise ValueError("enforce=true would have no effect without minutes; say minutes, or leave enforce out")
        return self


_OF_OTHERS = ("vocab_size", "max_seq_len")
"""Sizes of a published model that the tokenizer and pretrain.seq_len decide here."""


class SizeConfig(ArchitectureConfig):
    """The model: every choice of the architecture, and its size as far as the user wants to say it; null is derived."""

    preset: str | None = Field(
        default=None,
        description="published model ('groundup plan models') whose choices and sizes stand where nothing else is said; the "
        "vocabulary is the tokenizer's, the length pretrain.seq_len",
    )
    dim: int | None = Field(default=None, gt=0, description="width of the residual stream")
    num_layers: int | None = Field(default=None, gt=0, description="blocks")
    num_encoder_layers: int | None = Field(
        default=None, gt=0, description="blocks of the encoder in an encoder_decoder; null: as many as the decoder has"
    )
    num_heads: int | None = Field(default=None, gt=0, description="query heads; null: dim / 64, below a width of 256 dim / 32")
    num_kv_heads: int | None = Field(default=None, gt=0, description="key/value heads; null: as many as query heads")
    head_dim: int | None = Field(default=None, gt=0, le=1 << 16, description="width of a head; null: dim / num_heads")
    ffn_dim: int | None = Field(
        default=None, gt=0, description="inner width of the feed-forward layer; null: 8/3 dim (without a gate 4 dim), in 32s"
    )

    def choices(self) -> dict[str, Any]:
        """Return the choices of the architecture, without sizes."""
        return self.model_dump(include=set(ArchitectureConfig.model_fields))

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("preset"), str):
            return data
        try:
            published = find_preset(data["preset"]).filled
        except ConfigError as error:
            raise ValueError(f"preset: {error}") from None
        return {**{key: value for key, value in published.items() if key not in _OF_OTHERS}, **data}

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.dim is None) != (self.num_layers is None):
            raise ValueError("dim and num_layers go together: say both, or neither and a budget")
        check_heads(None if self.head_dim else self.dim, self.num_heads, self.num_kv_heads)
        if self.head_dim or (self.dim and self.num_heads):
            check_pairs(self, self.head_dim or (self.dim or 0) // (self.num_heads or 1))
        if self.init_std != ArchitectureConfig.model_fields["init_std"].default and self.init not in ("gpt2", "mup"):
            raise ValueError(
                f"init_std={self.init_std:g} has no effect with init='{self.init}', which takes its spreads from the widths; leave "
                "it out, or set init='gpt2'"
            )
        if self.num_encoder_layers is not None and self.shape != "encoder_decoder":
            raise ValueError(
                f"num_encoder_layers={self.num_encoder_layers} has no effect with shape='{self.shape}'; leave it out, or set "
                "shape='encoder_decoder'"
            )
        return self


class PlanConfig(Config):
    """Everything that decides what will be trained."""

    budget: BudgetConfig | None
    model: SizeConfig
    pretrain: TrainConfig
    device: str
    calibration: bool = True

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.budget is None and (self.model.dim is None or self.pretrain.steps is None):
            raise ValueError("say either budget.minutes, or the size (model.dim, model.num_layers) and pretrain.steps")
        if self.budget is not None and self.pretrain.steps is not None:
            given = "budget.minutes" if self.budget.minutes is not None else "budget.tokens"
            raise ValueError(f"{given} and pretrain.steps both fix the length of the run; take one out")
        if self.budget is not None and self.budget.minutes is None and self.model.dim is None:
            raise ValueError(
                f"budget.tokens={self.budget.tokens:,} alone says nothing of the size; say model.dim and model.num_layers, or "
                "budget.minutes as well"
            )
        return self

    @model_validator(mode="after")
    def _check_objective(self) -> Self:
        try:
            check_shape(self.pretrain.objective.name, self.model.shape)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        check_reach(self.model, self.pretrain.seq_len, "pretrain.seq_len")
        return self

    @model_validator(mode="after")
    def _check_kernel(self) -> Self:
        kernel, kind = self.pretrain.attention, self.model.attention
        if kernel != "auto" and kind != "full":
            raise ValueError(f"pretrain.attention='{kernel}' has no effect on model.attention='{kind}'; leave it out")
        if kernel == "sdpa" and self.model.attention_soft_cap is not None:
            raise ValueError("pretrain.attention='sdpa' has no place for model.attention_soft_cap; set it to matmul or auto")
        return self
