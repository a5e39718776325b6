"""The settings of dividing documents by perplexity."""

from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from groundup.core.config import Config

BucketName = Literal["head", "middle", "tail"]
BUCKETS: tuple[BucketName, ...] = get_args(BucketName)
ANY_LANGUAGE = "any"
_THIRDS = (33.3, 66.7)


class PerplexityConfig(Config):
    """Documents divided into head, middle and tail by how well a model of good text foresees them."""

    models: dict[str, Path] = Field(
        default={},
        description="language code -> folder that `groundup curate train-perplexity` made; `any`: for documents without a model "
        "of their language. A path alone is `any`",
    )
    cuts: tuple[float, float] = Field(
        default=_THIRDS,
        description="percentiles of the text that the model was calibrated with: head is below the first, tail from the second on",
    )
    keep: tuple[BucketName, ...] = Field(
        default=BUCKETS, min_length=1, description="the others are dropped; all: they are only told"
    )

    @property
    def is_on(self) -> bool:
        return bool(self.models)

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if not self.models and (self.cuts, self.keep) != (_THIRDS, BUCKETS):
            raise ValueError("`cuts` and `keep` have no effect without `models`; name one, or take them out")
        if not 0 < self.cuts[0] < self.cuts[1] < 100:
            raise ValueError(f"cuts {list(self.cuts)}: two percentiles between 0 and 100, the lower one first")
        if len(set(self.keep)) < len(self.keep):
            raise ValueError(f"keep {list(self.keep)}: name each bucket once")
        return self


def perplexity_from_path(setting: Any) -> Any:
    """Return the section that a path alone, or false, stands for."""
    if setting is False:
        return {}
    return {"models": {ANY_LANGUAGE: setting}} if isinstance(setting, str | Path) else setting
