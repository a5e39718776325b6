"""The settings of what is done beside the training steps."""

import importlib.util
from collections.abc import Iterable
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError

TrackerName = Literal["tensorboard", "wandb", "mlflow", "trackio"]
PACKAGES: Final[dict[TrackerName, str]] = {
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
"""What a tracker imports; the extra of groundup that installs it has the tracker's name."""


def check_trackers(names: Iterable[TrackerName]) -> None:
    """Raise ConfigError if a tracker's package is not installed."""
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise ConfigError(
                f"pretrain.trackers: {name} needs the package '{PACKAGES[name]}', which is not installed: "
                f"pip install 'groundup[{name}]', or take {name} out"
            )


class HeldOutConfig(Config):
    """The model scored on held-out text while it trains."""

    enabled: bool = Field(
        default=True, description="score held-out text on the way; false: only `groundup evaluate` does, at the end"
    )
    every: int | None = Field(
        default=None, gt=0, description="steps between evaluations; the last step has one too; null: a tenth of the run"
    )
    max_tokens: int | None = Field(
        default=None,
        gt=0,
        description="held-out text scored each time, at most; null: as much as costs about 2 % of the run [tokens]",
    )
    prompts: tuple[str, ...] = Field(default=(), description="starts of texts that the model goes on with each time")
    sample_tokens: int = Field(default=50, gt=0, description="tokens generated for each of these prompts")

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        fields = type(self).model_fields
        idle = () if self.enabled else ("every", "max_tokens", "prompts")
        for key in (*idle, *(() if self.prompts else ("sample_tokens",))):
            if (value := getattr(self, key)) != fields[key].default:
                because = "nothing is evaluated (enabled=false)" if key in idle else "there are no prompts"
                raise ValueError(f"{because}, so {key}={value!r} would have no effect; leave {key} out")
        return self

    def interval(self, steps: int) -> int:
        """Return the steps between evaluations in a run of `steps`."""
        return self.every or max(steps // 10, 1)

    def tokens(self, steps: int, step_tokens: int) -> int:
        """Return how much held-out text is scored each time in a run of `steps` [tokens].

        Counted, not timed, so that the same recipe always scores the same: a token scored is taken to cost half of one that is
        learned from, which takes three passes, where scoring takes one that is not compiled.
        """
        if self.max_tokens is not None:
            return self.max_tokens
        times = -(-steps // self.interval(steps))
        return min(int(COST_SHARE / SCORE_COST * steps * step_tokens / times), MOST_TOKENS)


class WatchConfig(Config):
    """The loss on held-out text beside what a ladder of small runs lets expect (`groundup scaling band`)."""

    band: str = Field(description="folder of the band; relative to the recipe's folder")
    evaluations: int = Field(default=3, gt=0, description="evaluations in a row outside the band that count as leaving it")
    action: Literal["warn", "stop"] = Field(
        default="warn",
        description="above the band; stop: the run is saved and ends with exit code 3, and the same command goes on; below it, "
        "there is a warning either way",
    )
    interval: Literal[80, 95] = Field(default=95, description="which of the band's bounds count [%]")


COST_SHARE = 0.02
SCORE_COST = 0.5
"""Of a scored token over one that is learned from."""
MOST_TOKENS = 1 << 18
"""About a megabyte of text: what `groundup evaluate` scores by default."""


class ProfileConfig(Config):
    """A few steps under torch's profiler; they end in the same weights, only later."""

    from_step: int = Field(default=10, gt=0, description="finished steps before the first that is profiled")
    steps: int = Field(default=3, gt=0, le=100, description="steps profiled; a trace grows by some MB with each")

    def check(self, steps: int) -> None:
        """Raise ConfigError if a run of `steps` ends before the profiled ones."""
        end = self.from_step + self.steps
        if end > steps:
            raise ConfigError(
                f"profile.from_step={self.from_step:,} and .steps={self.steps} end at step {end:,}, the run has {steps:,}; "
                "lower from_step, or leave profile out"
            )
