"""The settings of training a classifier of documents."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.curate.config import SourceConfig

CalibrationName = Literal["platt", "none"]


class FeaturesConfig(Config):
    """What a classifier sees of a text."""

    word_ngrams: int = Field(default=2, ge=0, le=5, description="runs of up to so many words in a row; 0: no words")
    char_ngrams: tuple[int, int] | None = Field(
        default=None,
        description="shortest and longest run of characters, for text without white space between words or with many misspellings; "
        "null: none. With (3, 5) time and memory are about four times as much",
    )
    bucket_bits: int = Field(
        default=18, ge=10, le=24, description="runs are hashed into 2^bits buckets, each with a weight (Weinberger et al. 2009)"
    )
    passage_words: int = Field(
        default=256,
        ge=8,
        le=65536,
        description="longer texts are cut into passages of at most so many words, each judged by itself",
    )

    @model_validator(mode="after")
    def _sees_something(self) -> Self:
        if not self.word_ngrams and self.char_ngrams is None:
            raise ValueError("word_ngrams=0 without char_ngrams leaves nothing to see; set one of them")
        if self.char_ngrams is not None and not 1 <= self.char_ngrams[0] <= self.char_ngrams[1] <= 8:
            low, high = self.char_ngrams
            raise ValueError(f"char_ngrams=({low}, {high}): the shortest comes first, and both lie between 1 and 8")
        return self


class ClassifierConfig(Config):
    """A classifier: its examples and how it is trained."""

    good: tuple[SourceConfig, ...] = Field(min_length=1, description="documents of the kind that is wanted")
    bad: tuple[SourceConfig, ...] = Field(min_length=1, description="documents of the kind that is not")
    features: FeaturesConfig = FeaturesConfig()
    penalty: float = Field(
        default=1e-5, gt=0, le=1, description="of large weights: half of it times their squares is added to the mean loss (L2)"
    )
    calibration: CalibrationName = Field(
        default="platt", description="platt: scores become probabilities on held-out examples (Platt 1999); none: as trained"
    )
    keep_good: float = Field(
        default=0.95, gt=0, le=1, description="share of the good examples that the suggested threshold is to keep"
    )
    max_passages: int = Field(
        default=50_000,
        ge=1000,
        description="of the good examples and of the bad ones, at most: bounds the memory; a sample of documents",
    )
