"""Settings of a fit."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from groundup.artifacts.scaling_fit import LawName, ObjectiveName
from groundup.core.config import Config
from groundup.core.errors import ConfigError

FRONTIER_LAWS = ("isoflop", "envelope")
"""Laws that know the best runs alone."""
UNSAID = "as in the table's column params"


class FitConfig(Config):
    """Which law, by which objective, with how many resamples."""

    law: LawName = Field(default="chinchilla", description="The law.")
    objective: ObjectiveName | None = Field(
        default=None,
        description="What the fit makes least; default huber-sum, and of isoflop and envelope lsq, which have no other.",
    )
    valley: Literal["akima", "parabola"] | None = Field(
        default=None, description="How isoflop finds the best size of a budget: Akima's spline (the default) or a parabola."
    )
    bootstrap: int = Field(
        default=1000, ge=0, le=100_000, description="Resamples of runs for standard errors and intervals; 0: none."
    )
    fixed: dict[str, float] = Field(default_factory=dict, description="Constants that are known, and not fitted.")
    counts: str = Field(
        default=UNSAID, description="What the column params counts: with or without embeddings, with or without the head."
    )
    seed: int = Field(default=0, ge=0, description="Of the resamples.")

    @model_validator(mode="after")
    def _has_effect(self) -> "FitConfig":
        if self.law in FRONTIER_LAWS and self.objective not in (None, "lsq"):
            raise ValueError(
                f"objective={self.objective} has no effect on law={self.law}, whose lines are least squares; leave it out"
            )
        if self.law != "isoflop" and self.valley is not None:
            raise ValueError(f"valley={self.valley} has no effect on law={self.law}; it is of isoflop")
        return self

    @classmethod
    def of(
        cls, law: str, objective: str | None, valley: str | None, bootstrap: int, fix: Sequence[str], counts: str, seed: int
    ) -> "FitConfig":
        """Return settings from what a user says; `fix` holds "NAME=VALUE"."""
        fixed = {}
        for text in fix:
            name, _, value = text.partition("=")
            try:
                fixed[name] = float(value)
            except ValueError:
                raise ConfigError(f"--fix {text}: write NAME=VALUE, as in --fix alpha=0.34") from None
        data = {
            "law": law,
            "objective": objective,
            "valley": valley,
            "bootstrap": bootstrap,
            "fixed": fixed,
            "counts": counts or UNSAID,
            "seed": seed,
        }
        return cls.parse(data, "scaling fit")
