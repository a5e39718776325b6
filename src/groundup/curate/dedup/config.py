"""The settings of decontamination."""

import os
from pathlib import Path

from pydantic import Field, field_validator

from groundup.core.config import Config


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
