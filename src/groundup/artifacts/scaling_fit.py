"""A scaling law fitted to runs: FIT.json, which `scaling fit` writes, and plans, forecasts and watches read."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from groundup.core.config import Config
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object, write_json

LawName = Literal[
    "chinchilla", "kaplan", "kaplan-params", "kaplan-tokens", "kaplan-compute", "isoflop", "envelope", "data-constrained"
]
ObjectiveName = Literal["huber-sum", "huber-mle", "lsq"]


class Span(Config):
    """Least and most of a quantity among the runs."""

    low: float
    high: float


class HeldOut(Config):
    """What a fit without the largest runs said of them."""

    runs: int = Field(description="Largest runs by compute that were left out.")
    fitted_runs: int = Field(description="Runs that the rest was.")
    flops_ratio: float = Field(description="Compute of the largest run over that of the largest run fitted to.")
    error: float = Field(description="Mean of |predicted - measured| / measured over the last points of those runs.")
    error_of_last: float = Field(description="The same for 'as the best loss of the runs fitted to', which needs no law.")
    inside_80: float = Field(description="Share of them within their 80 % interval.")
    inside_95: float = Field(description="Share of them within their 95 % interval.")


class Rolling(Config):
    """Fits to the smaller runs that predict the next larger one, again and again."""

    forecasts: int
    error: float = Field(description="Mean of |predicted - measured| / measured.")
    spread: float = Field(description="Root mean square of errors over predicted standard deviations; 1 if those are right.")


class Fit(Config):
    """A law with its parameters, how sure they are, and for which runs it speaks."""

    format: Literal[1] = 1
    law: LawName
    objective: ObjectiveName
    params: dict[str, float] = Field(description="The law's constants; its formula is in docs/scaling.md.")
    standard_errors: dict[str, float] = Field(description="Standard deviations over bootstrap resamples; empty without them.")
    intervals_95: dict[str, tuple[float, float]] = Field(description="Percentiles 2.5 and 97.5 over the resamples.")
    intervals_profile_95: dict[str, tuple[float | None, float | None]] = Field(
        default_factory=dict,
        description="Values at which the best fit is not yet worse than chi-square allows; None: it never is.",
    )
    optimal: dict[str, float] = Field(description="Exponents of the best model N ~ C^a and its tokens D ~ C^b under compute C.")
    objective_value: float
    points_used: int
    runs_used: int
    dropped: list[dict[str, Any]] = Field(description="Rows left out, and why.")
    fixed: dict[str, float] = Field(default_factory=dict, description="Constants given, not fitted.")
    counts: str = Field(description="What the column params counts, as whoever made the table said.")
    spans: dict[str, Span] = Field(description="Of params, tokens, flops, unique_tokens, loss among the runs.")
    residual_std: float = Field(description="Spread of log(measured / fitted), with the degrees of freedom that the fit took.")
    residuals: list[float] = Field(description="log(measured / fitted) of each point, in the order of the table.")
    degrees_of_freedom: float = Field(
        description="Independent points less fitted constants; points of one run count by their correlation."
    )
    bootstrap: int
    resampling: Literal["none", "runs", "weights", "residuals"] = Field(
        description="How resamples are drawn: runs with replacement, or (few runs) exponential weights on all; or residuals."
    )
    draws: list[list[float]] = Field(description="Constants of resamples, in the order of params; at most 1,000 of them.")
    interval_scale: float = Field(
        default=1.0, description="Forecast intervals are widened by it: how far off rolling forecasts were."
    )
    validation: HeldOut | None = None
    rolling: Rolling | None = None
    frontier: list[dict[str, float]] = Field(default_factory=list, description="Best model of each compute (isoflop, envelope).")
    warnings: list[str] = Field(default_factory=list)
    seed: int = 0

    @classmethod
    def load(cls, path: Path) -> "Fit":
        """Read FIT.json; raise ArtifactError if it is none."""
        if not path.is_file():
            raise ArtifactError(f"{path}: no such file; 'groundup scaling fit RUNS.csv --out {path}' makes one")
        try:
            return cls.parse(read_object(path), str(path))
        except ConfigError as error:
            raise ArtifactError(f"{error}\n{path}: not what 'groundup scaling fit' writes; make it anew with --force") from None

    def save(self, path: Path) -> None:
        """Write the fit as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.model_dump(mode="json"))
