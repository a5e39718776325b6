"""The settings of a run's course."""

from itertools import pairwise
from typing import Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError

ScheduleName = Literal["cosine", "linear", "constant", "inverse_sqrt", "wsd"]
FLOORED: Final[tuple[ScheduleName, ...]] = ("cosine", "linear", "wsd")
"""Those that come down to the floor at the last step."""


class ScheduleConfig(Config):
    """Linear warm-up, then the named course of the learning rate."""

    name: ScheduleName = Field(
        default="cosine",
        description="after the warm-up: cosine or linear down to the floor; inverse_sqrt: peak x sqrt(warm-up / step); "
        "wsd: the peak, then a decay to the floor at the end (warm-up, stable, decay); constant: the peak",
    )
    warmup_fraction: float = Field(default=0.05, ge=0, le=1, description="share of all steps spent warming up")
    warmup_steps: int | None = Field(default=None, ge=0, description="steps spent warming up; null: warmup_fraction of all")
    floor: float = Field(default=0.05, ge=0, le=1, description="final learning rate over the peak; not with constant, inverse_sqrt")
    decay_fraction: float = Field(
        default=0.1, gt=0, le=1, description="wsd: share of all steps that the decay takes (Hu et al. 2024)"
    )
    decay_steps: int | None = Field(default=None, gt=0, description="wsd: steps that the decay takes; null: decay_fraction of all")
    decay_shape: Literal["sqrt", "linear"] = Field(
        default="sqrt", description="wsd: 1 - sqrt(share of the decay that is done) (Hägele et al. 2024), or a straight line"
    )

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        for key, because in self._idle().items():
            if key in self.model_fields_set and getattr(self, key) is not None:
                raise ValueError(f"{because}, so {key}={getattr(self, key)} would have no effect; leave {key} out")
        if self.name == "wsd" and self.warmup_steps is None and self.decay_steps is None:
            both = self.warmup_fraction + self.decay_fraction
            if both > 1:
                raise ValueError(
                    f"warmup_fraction={self.warmup_fraction:g} and decay_fraction={self.decay_fraction:g} are more than all steps "
                    "together; lower one"
                )
        return self

    @model_serializer(mode="wrap")
    def _leave_out_idle(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write nothing that has no effect, so that what was written can be read."""
        fields: dict[str, Any] = dump(self)
        return {name: value for name, value in fields.items() if name not in self._idle()}

    def _idle(self) -> dict[str, str]:
        """Return the settings that have no effect beside the others, and why."""
        idle = {}
        if self.name not in FLOORED:
            idle["floor"] = f"name={self.name} never comes down to a floor"
        if self.name != "wsd":
            idle |= dict.fromkeys(("decay_fraction", "decay_steps", "decay_shape"), f"name={self.name} has no separate decay")
        elif self.decay_steps is not None:
            idle["decay_fraction"] = f"decay_steps={self.decay_steps} says how long the decay is"
        if self.warmup_steps is not None:
            idle["warmup_fraction"] = f"warmup_steps={self.warmup_steps} says how long the warm-up is"
        return idle

    def warmup(self, steps: int) -> int:
        """Return the updates before the one at the peak, in a run of `steps`."""
        wanted = self.warmup_steps if self.warmup_steps is not None else round(self.warmup_fraction * steps)
        return min(wanted, steps - 1)

    def decay(self, steps: int) -> int:
        """Return the updates below the peak at the end of a run of `steps` under wsd."""
        wanted = self.decay_steps if self.decay_steps is not None else max(round(self.decay_fraction * steps), 1)
        return min(wanted, steps - 1 - self.warmup(steps))

    def milestones(self, steps: int) -> frozenset[int]:
        """Return the numbers of finished steps whose checkpoints are worth keeping: the end of the stable phase under wsd."""
        stable = steps - self.decay(steps)
        return frozenset({stable}) if self.name == "wsd" and 0 < stable < steps else frozenset()

    def check(self, steps: int) -> None:
        """Raise ConfigError if a run of `steps` is too short for the warm-up and the decay that are given in steps."""
        parts = {"warmup_steps": self.warmup_steps, "decay_steps": self.decay_steps}
        given = {key: value for key, value in parts.items() if value is not None}
        warmup = self.warmup_steps if self.warmup_steps is not None else self.warmup(steps)
        needed = warmup + (self.decay_steps or 0)
        if given and needed >= steps:
            settings = " and ".join(f"pretrain.schedule.{key}={value:,}" for key, value in given.items())
            raise ConfigError(
                f"{settings} leave no step at the peak: warm-up and decay take {needed:,} steps, the run has {steps:,}; "
                f"lower {' or '.join(given)}, or let the run be longer than {needed:,} steps"
            )


class BatchRampConfig(Config):
    """A batch that grows in equal parts from `start_tokens` to pretrain.batch_tokens (Brown et al. 2020, appendix B)."""

    start_tokens: int = Field(gt=0, description="batch_tokens of the first step, a multiple of seq_len")
    over_tokens: int = Field(gt=0, description="tokens of training until the batch is whole, equally many at each size before")
    increment_tokens: int | None = Field(default=None, gt=0, description="what the batch grows by at a time; null: start_tokens")
    rate: Literal["none", "sqrt", "linear"] = Field(
        default="sqrt",
        description="the learning rate of a smaller batch is multiplied by 1, by the root of its share of the whole (for Adam: "
        "Malladi et al. 2022) or by the share (for SGD: Goyal et al. 2017)",
    )

    @property
    def increment(self) -> int:
        return self.increment_tokens or self.start_tokens

    def check(self, batch_tokens: int, seq_len: int) -> None:
        """Raise ValueError if the sizes do not lead to batch_tokens in whole rows."""
        for key, value in (("start_tokens", self.start_tokens), ("increment_tokens", self.increment)):
            if value % seq_len:
                nearest = max(round(value / seq_len), 1) * seq_len
                raise ValueError(
                    f"batch_ramp.{key}={value:,} is not a multiple of seq_len={seq_len:,}; nearest that is: {nearest:,}"
                )
        growth = batch_tokens - self.start_tokens
        if growth <= 0:
            raise ValueError(
                f"batch_ramp.start_tokens={self.start_tokens:,} is not below batch_tokens={batch_tokens:,}; lower it, or leave "
                "batch_ramp out"
            )
        if growth % self.increment:
            raise ValueError(
                f"batch_ramp: {self.start_tokens:,} grows by {self.increment:,} at a time past batch_tokens={batch_tokens:,}; "
                f"let increment_tokens divide {growth:,}"
            )


class LengthConfig(Config):
    """Rows shorter than pretrain.seq_len at the beginning (Li et al. 2022: less work, and steadier, than long ones at once)."""

    seq_len: int = Field(gt=0, description="tokens of a row; divides pretrain.seq_len, of whose windows the rows are cut")
    until_fraction: float | None = Field(default=None, gt=0, lt=1, description="share of the run's tokens that these rows end at")
    until_tokens: int | None = Field(default=None, gt=0, description="the same in tokens of training; say one of the two")

    @model_validator(mode="after")
    def _check_end(self) -> Self:
        if (self.until_fraction is None) == (self.until_tokens is None):
            raise ValueError(f"say until_fraction or until_tokens, one of the two, for seq_len={self.seq_len}")
        return self


class MixtureConfig(Config):
    """Weights of sources from some step on."""

    from_step: int | None = Field(default=None, ge=0, description="finished steps from which on these weights hold")
    from_fraction: float | None = Field(
        default=None, ge=0, lt=1, description="the same as a share of the run's tokens; say one of the two"
    )
    weights: dict[str, float] = Field(
        min_length=1, description="source -> how often it is seen relative to its size, 0 for never; one left out keeps its own"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.from_step is None) == (self.from_fraction is None):
            raise ValueError("say from_step or from_fraction, one of the two")
        for source, weight in self.weights.items():
            if weight < 0:
                raise ValueError(f"weights.{source}={weight:g} is below 0; 0 leaves the source out")
        return self


def check_lengths(lengths: tuple[LengthConfig, ...], seq_len: int) -> None:
    """Raise ValueError unless the rows grow from part to part, and each length divides the next up to `seq_len`."""
    parts = [*(part.seq_len for part in lengths), seq_len]
    for shorter, longer in pairwise(parts):
        if shorter >= longer or longer % shorter:
            raise ValueError(
                f"lengths: a row of {shorter:,} tokens does not divide, or is not below, the {longer:,} that follow it"
            )
    for earlier, later in pairwise(lengths):
        mine, other = earlier.until_fraction or earlier.until_tokens, later.until_fraction or later.until_tokens
        if (earlier.until_fraction is None) != (later.until_fraction is None) or not mine < other:  # type: ignore[operator]
            raise ValueError(
                f"lengths: the part of seq_len={later.seq_len} ends at {other}, the one before at {mine}; let them rise"
            )
