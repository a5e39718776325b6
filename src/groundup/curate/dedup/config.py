"""The settings of decontamination."""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import Config

HashedKind = Literal["three_sentences", "lines", "windows"]
PassageKind = Literal["three_sentences", "lines", "windows", "substrings"]


class TaskItemsConfig(Config):
    """A list of items of a benchmark."""

    path: Path = Field(description="file or folder: .jsonl, .ndjson, .csv, .tsv or .txt (an item a line), each also .gz")
    fields: tuple[str, ...] = Field(default=(), description="what is sought of an item; none named: all strings in it")
    id_field: str | None = Field(default=None, description="what an item is called in reports; without it file:line")

    @field_validator("path")
    @classmethod
    def _is_unicode(cls, path: Path) -> Path:
        if os.fsencode(path) != str(path).encode(errors="replace"):
            raise ValueError("the path is not UTF-8 and could not be recorded; rename it")
        return path


class DecontaminateConfig(Config):
    """Benchmarks whose items must not be trained on."""

    items: tuple[TaskItemsConfig, ...] = Field(default=(), description="lists of items; none: nothing is sought")
    ngram_words: int = Field(
        default=13, ge=1, description="words in a row that an item is found by (Brown et al. 2020, appendix C)"
    )
    min_words: int = Field(
        default=8, ge=1, description="a shorter text of an item is not sought; one below `ngram_words` is sought whole"
    )
    min_share: float = Field(
        default=0.0, ge=0, le=1, description="drop a document that has this part of the n-grams of an item, or more; 0: any of them"
    )


class RepeatedPassagesConfig(Config):
    """Passages that stand in several documents."""

    kind: PassageKind | None = Field(
        default=None,
        description="what is taken out of all documents but the first: three_sentences: in a row (C4); lines: of 5 words or more; "
        "windows: 50 words in a row or more; substrings: the same by a suffix array of all text in memory (extra 'substrings'); "
        "null: nothing",
    )
    min_words: int = Field(
        default=50,
        ge=1,
        description="drop a document that passages were taken out of if it has fewer words left (Rae et al. 2021, A1.1)",
    )

    @property
    def is_on(self) -> bool:
        return self.kind is not None

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        if (
            self.kind is None
            and "min_words" in self.model_fields_set
            and self.min_words != type(self).model_fields["min_words"].default
        ):
            raise ValueError(
                f"min_words={self.min_words} has no effect without a kind of passages; say kind: three_sentences, or take it out"
            )
        return self


def passages_from_kind(setting: Any) -> Any:
    """Return the section that `repeated_passages: KIND` or `false` stands for."""
    if setting is False:
        return {}
    return {"kind": setting} if isinstance(setting, str) else setting
