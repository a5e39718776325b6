"""The settings of turning documents into token shards."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config

MeasureName = Literal["tokens", "bytes", "tokens_per_byte", "column"]


class CurriculumConfig(Config):
    """The order of the documents of each source, for a training that reads them in order."""

    by: MeasureName = Field(
        default="tokens",
        description="what orders documents, least first: their tokens, bytes, tokens a byte (rare words have more), or a column",
    )
    column: str | None = Field(
        default=None, description="with by: column: a column of numbers of the curated documents, or a number in their meta"
    )
    descending: bool = Field(default=False, description="greatest first: where more is easier")

    @model_validator(mode="after")
    def _check_column(self) -> Self:
        if self.by == "column" and self.column is None:
            raise ValueError("by='column' orders by a column and none is named; say column: NAME")
        if self.by != "column" and self.column is not None:
            raise ValueError(f"column='{self.column}' has no effect with by='{self.by}'; say by: column, or take it out")
        return self


class MixConfig(Config):
    """How much of each source there is to train on, in tokens."""

    shares: dict[str, float] | None = Field(
        default=None, description="source -> its share of the tokens, as a part of their sum: {law: 51, web: 49}; 0 leaves it out"
    )
    temperature: float | None = Field(
        default=None,
        ge=1,
        description="instead of shares: each source's share is in proportion to its tokens to the power 1 / temperature; "
        "1: as they are, more: small sources weigh more",
    )
    tokens: int | None = Field(
        default=None,
        gt=0,
        description="tokens of the whole, repeats included; null: as many as the shares allow before a source is at max_epochs",
    )
    max_epochs: float = Field(
        default=4.0,
        gt=0,
        description="how often a source is seen at most: up to 4 times is about as good as new text (Muennighoff et al. 2023)",
    )
    epochs: dict[str, float] = Field(default={}, description="source -> max_epochs of its own")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.shares is None) == (self.temperature is None):
            raise ValueError("say shares or temperature, one of the two")
        for source, share in (self.shares or {}).items():
            if share < 0:
                raise ValueError(f"shares.{source}={share:g} is below 0; 0 leaves the source out")
        if self.shares is not None and not any(self.shares.values()):
            raise ValueError("shares are all 0; give at least one source more")
        for source, epochs in self.epochs.items():
            if epochs <= 0:
                raise ValueError(f"epochs.{source}={epochs:g} must be above 0; leave a source out by a share of 0")
            if self.shares is not None and not self.shares.get(source):
                raise ValueError(f"epochs.{source}={epochs:g} would have no effect, as shares give '{source}' nothing; take it out")
        return self

    @property
    def named(self) -> frozenset[str]:
        """The sources that are named."""
        return frozenset({*(self.shares or {}), *self.epochs})


class EncodeConfig(Config):
    """Tokens on disk."""

    batch_documents: int = Field(
        default=256, gt=0, description="documents encoded at a time; bounds memory, does not change the result"
    )
    curriculum: CurriculumConfig | None = Field(
        default=None, description="an order of each source's training documents, easy to hard; null: as they were curated"
    )
    mix: MixConfig | None = Field(
        default=None, description="shares of the sources, to the token; null: each as often as curate.sources.N.weight says"
    )
