"""Settings of a fit."""

from collections.abc import Sequence

from pydantic import Field

from groundup.artifacts.scaling_fit import LawName, ObjectiveName
from groundup.core.config import Config
from groundup.core.errors import ConfigError

UNSAID = "as in the table's column params"


class FitConfig(Config):
    """Which law, by which objective, with how many resamples."""

    law: LawName = Field(default="chinchilla", description="The law.")
    objective: ObjectiveName = Field(default="huber-sum", description="What the fit makes least.")
    bootstrap: int = Field(
        default=1000, ge=0, le=100_000, description="Resamples of runs for standard errors and intervals; 0: none."
    )
    fixed: dict[str, float] = Field(default_factory=dict, description="Constants that are known, and not fitted.")
    counts: str = Field(
        default=UNSAID, description="What the column params counts: with or without embeddings, with or without the head."
    )
    seed: int = Field(default=0, ge=0, description="Of the resamples.")

    @classmethod
    def of(cls, law: str, objective: str, bootstrap: int, fix: Sequence[str], counts: str, seed: int) -> "FitConfig":
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
            "bootstrap": bootstrap,
            "fixed": fixed,
            "counts": counts or UNSAID,
            "seed": seed,
        }
        return cls.parse(data, "scaling fit")
