"""The settings of a training run."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.core.units import parse_bytes
from groundup.nn.config import AttentionKernel
from groundup.train.course.config import BatchRampConfig, LengthConfig, MixtureConfig, ScheduleConfig, check_lengths
from groundup.train.healing.config import HealingConfig
from groundup.train.hooks.config import HeldOutConfig, ProfileConfig, TrackerName, WatchConfig
from groundup.train.objectives.config import TEXT_IS_ROW, ObjectiveConfig
from groundup.train.optim.config import OptimizerConfig

PackingName = Literal["windows", "best_fit"]
OrderName = Literal["shuffled", "as_encoded"]
Precision = Literal["auto", "fp32", "bf16", "bf16_weights", "fp16"]
RunPrecision = Literal["fp32", "bf16", "bf16_weights", "fp16"]
"""What training computes in, once 'auto' is settled."""
ProductPrecision = Literal["fp32", "bf16", "fp16"]
PRODUCTS: Final[dict[RunPrecision, ProductPrecision]] = {"fp32": "fp32", "bf16": "bf16", "bf16_weights": "bf16", "fp16": "fp16"}
"""What matrices are multiplied in."""
Compile = Literal["auto", "on", "off"]
Recompute = Literal["none", "selective", "full"]
Preflight = Literal["auto", "on", "off"]
MAX_BATCH_TOKENS = 1 << 32
"""Hundreds of times the largest batches of published runs (Llama 3: 16 M tokens)."""


class TrainConfig(Config):
    """One training run."""

    seq_len: int = Field(default=256, gt=0, description="longest row that the model reads [tokens]")
    batch_tokens: int = Field(default=4096, gt=0, le=MAX_BATCH_TOKENS, description="rows of an optimizer step times seq_len")
    micro_batch: int | None = Field(default=None, gt=0, description="sequences a backward pass sees; null: chosen by the plan")
    batch_ramp: BatchRampConfig | None = Field(
        default=None, description="a smaller batch at the beginning; null: batch_tokens throughout"
    )
    lengths: tuple[LengthConfig, ...] = Field(default=(), description="shorter rows at the beginning, in parts; then seq_len")
    mixture: tuple[MixtureConfig, ...] = Field(default=(), description="other weights of the sources from some step on")
    steps: int | None = Field(default=None, gt=0, description="optimizer steps; null: derived from the budget")
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    z_loss: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="weight of (log Z)^2 beside the cross-entropy; PaLM: 1e-4 (Chowdhery et al. 2022)",
    )
    clip_norm: float | None = Field(
        default=1.0, gt=0, description="global gradient norm above which gradients are scaled down; null: none, as with clip_value"
    )
    clip_value: float | None = Field(default=None, gt=0, description="bound of every entry of a gradient, in place of clip_norm")
    precision: Precision = Field(
        default="auto",
        description="auto: bf16 autocast where it multiplies matrices faster, else fp32; bf16_weights: weights in bf16 beside a "
        "master copy in fp32; fp16: autocast with dynamic loss scaling",
    )
    attention: AttentionKernel = Field(default="auto", description="auto: the faster of the two at this length and precision")
    compile: Compile = Field(
        default="auto", description="kernels of the step from torch.compile; auto: where a long run gains by it"
    )
    memory_cap: int | None = Field(
        default=None,
        gt=0,
        description="most memory that the run may take [bytes], or in words: 2GB, 1.5GiB; null: 85 % of what is available",
        json_schema_extra={"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
    )
    recompute: Recompute = Field(
        default="none",
        description="what blocks compute again in the backward pass instead of keeping it; full: all; selective: all but products",
    )
    document_mask: bool = Field(default=True, description="attention never crosses from one document to another in a packed row")
    packing: PackingName = Field(
        default="windows",
        description="windows: rows are cut from the stream of documents; best_fit: packed from whole documents, the rest padding",
    )
    order: OrderName = Field(
        default="shuffled",
        description="of the text in training: shuffled anew in each epoch; as_encoded: each source from its beginning to its end, "
        "for encode.curriculum",
    )
    healing: HealingConfig = HealingConfig()
    preflight: Preflight = Field(
        default="auto",
        description="checks before the first step that take some seconds; auto: where the run takes 10 minutes or more",
    )
    evaluate: HeldOutConfig = HeldOutConfig()
    watch: WatchConfig | None = Field(
        default=None, description="held-out scores compared with the band that a ladder of small runs gives; null: none"
    )
    profile: ProfileConfig | None = Field(
        default=None, description="a trace of a few steps and a page on where their time goes, in OUT/profile; null: none"
    )
    trackers: tuple[TrackerName, ...] = Field(
        default=(), description="tools that metrics and held-out scores are sent to as well; each is an extra of the package"
    )
    checkpoint_steps: int | None = Field(default=None, gt=0, description="steps between checkpoints; null: about every 30 s")
    checkpoint_minutes: float | None = Field(
        default=None, gt=0, description="a checkpoint is saved, too, when the last one is that old [min]; null: by steps alone"
    )
    storage_patience_s: float = Field(
        default=600.0, ge=0, description="how long a full disk, a refused write, or text that cannot be read is waited for [s]"
    )
    keep_checkpoints: int = Field(default=2, gt=0, description="newest checkpoints kept, beside the best one")
    keep_every_steps: int | None = Field(
        default=None, gt=0, description="a checkpoint is saved every so many steps and kept for good; null: none is"
    )

    @field_validator("memory_cap", mode="before")
    @classmethod
    def _read_size(cls, size: object) -> object:
        return parse_bytes(size) if isinstance(size, str) else size

    @field_validator("compile", mode="before")
    @classmethod
    def _read_switch(cls, given: object) -> object:
        """Take YAML's reading of a bare on or off for the word."""
        return ("on" if given else "off") if isinstance(given, bool) else given

    @model_validator(mode="before")
    @classmethod
    def _clip_in_one_way(cls, data: Any) -> Any:
        """Take the default clip_norm out where clip_value is said."""
        if not isinstance(data, Mapping) or data.get("clip_value") is None:
            return data
        if data.get("clip_norm") is not None:
            raise ValueError(
                f"clip_norm={data['clip_norm']} and clip_value={data['clip_value']} both bound the gradient; leave one of them out"
            )
        return {**data, "clip_norm": None}

    @model_validator(mode="after")
    def _check_watch(self) -> Self:
        if self.watch is not None and not self.evaluate.enabled:
            raise ValueError("watch compares held-out scores, and evaluate.enabled=false makes none; leave one of them out")
        return self

    @model_validator(mode="after")
    def _check_trackers(self) -> Self:
        if len(set(self.trackers)) < len(self.trackers):
            raise ValueError(f"trackers={list(self.trackers)} names one twice; take it out once")
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch_tokens % self.seq_len:
            nearest = max(round(self.batch_tokens / self.seq_len), 1) * self.seq_len
            raise ValueError(
                f"batch_tokens={self.batch_tokens:,} is not a multiple of seq_len={self.seq_len:,}; nearest that is: {nearest:,}"
            )
        sequences = self.batch_tokens // self.seq_len
        if self.micro_batch is not None and sequences % self.micro_batch:
            raise ValueError(f"micro_batch={self.micro_batch} does not divide batch_tokens / seq_len = {sequences} sequences")
        return self

    @model_validator(mode="after")
    def _check_course(self) -> Self:
        if self.batch_ramp is not None:
            self.batch_ramp.check(self.batch_tokens, self.seq_len)
        check_lengths(self.lengths, self.seq_len)
        if self.order != "shuffled" and self.packing != "windows":
            raise ValueError(
                f"order='{self.order}' reads windows of the stream one after another, and packing='{self.packing}' puts documents "
                "together by what fits; take one out"
            )
        if self.lengths and self.packing != "windows":
            raise ValueError(f"lengths cut rows from windows of the stream, and packing='{self.packing}' has none; take one out")
        if self.lengths and self.objective.name not in TEXT_IS_ROW:
            raise ValueError(
                f"lengths cut a window of text into whole rows, and objective.name='{self.objective.name}' makes a row from more "
                f"or less text than it is long; leave lengths out, or set objective.name to {' or '.join(TEXT_IS_ROW)}"
            )
        return self

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        if self.steps is not None:
            try:
                self.schedule.check(self.steps)
                if self.profile is not None:
                    self.profile.check(self.steps)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return self

    def sized(self) -> "TrainConfig":
        """Return the settings with those at their defaults that change neither time nor memory: a plan does not depend on them."""
        free = {
            name: TrainConfig.model_fields[name].get_default()
            for name in (
                "schedule",
                "mixture",
                "order",
                "clip_norm",
                "clip_value",
                "healing",
                "storage_patience_s",
                "keep_checkpoints",
                "keep_every_steps",
                "checkpoint_minutes",
                "evaluate",
                "watch",
                "preflight",
                "profile",
                "trackers",
            )
        }
        return self.model_copy(update={**free, "optimizer": self.optimizer.sized()})

    @property
    def batch_sequences(self) -> int:
        return self.batch_tokens // self.seq_len
