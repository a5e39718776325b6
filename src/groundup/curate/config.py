"""The settings of collecting and curating text."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.artifacts.names import SOURCE_NAME
from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.curate.dedup.config import DecontaminateConfig, PassageKind, RepeatedPassagesConfig, passages_from_kind
from groundup.curate.groups.config import GroupsConfig, groups_from_switch
from groundup.curate.language.config import LanguagesConfig, languages_from_list
from groundup.curate.ledger.config import AlarmsConfig
from groundup.curate.perplexity.config import PerplexityConfig, perplexity_from_path
from groundup.curate.privacy.config import RedactConfig, redact_from_switch
from groundup.curate.rules.config import OwnRules, RuleOrderName, RuleSetName, check_names, known_sets

SourceKind = Literal["installed-docs", "installed-licences", "files", "hf"]
FileFormat = Literal["auto", "text", "markdown", "jsonl", "parquet", "arrow", "csv", "tsv", "html", "warc"]
Extraction = Literal["main", "precision"]


class SourceConfig(Config):
    """A named place that text comes from."""

    name: str = Field(pattern=SOURCE_NAME, description="used in document ids, reports and mixing")
    kind: SourceKind = Field(
        default="files",
        description="files: your own text; hf: a data set of the Hugging Face Hub; the others find text in the Python installation",
    )
    path: Path | None = Field(default=None, description="file or folder; only with kind 'files'")
    format: FileFormat = Field(default="auto", description="auto: by the ending of each file")
    dataset: str | None = Field(
        default=None,
        description="only with kind 'hf': OWNER/NAME, streamed (extra 'hf'); one that you saved is a folder for kind 'files'",
    )
    subset: str | None = Field(default=None, description="configuration of the data set; null: its only one")
    split: str | None = Field(default=None, description="of the data set; null: train")
    revision: str | None = Field(
        default=None, description="branch, tag or commit of the data set; null: its main branch as it is now"
    )
    text_field: str = Field(default="text", description="column of JSONL, Parquet, Arrow, CSV and TSV that holds the text")
    extraction: Extraction = Field(
        default="main",
        description="main text of HTML: main by resiliparse, precision by trafilatura (extra 'trafilatura'; 10 to 20 times slower)",
    )
    max_ratio: float = Field(
        default=200.0,
        gt=1,
        description="a compressed file of which more than so many bytes come out per byte (and above 64 MiB) is not read further: "
        "most likely a bomb",
    )
    section_chars: int | None = Field(
        default=None,
        ge=1000,
        description="longer documents are cut into sections of at most so many characters, at headings of Markdown, else at blank "
        "lines, line ends, sentences; all sections of one are held out together; null: documents stay whole",
    )
    weight: float = Field(default=1.0, gt=0, description="how often the source is seen in training relative to its size")
    licence: str | None = Field(default=None, description="SPDX expression or words, for the model card")

    @field_validator("path")
    @classmethod
    def _is_unicode(cls, path: Path | None) -> Path | None:
        if path is not None and os.fsencode(path) != str(path).encode(errors="replace"):
            raise ValueError("the path is not UTF-8 and could not be recorded; rename it")
        return path

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.kind == "files" and self.path is None:
            raise ValueError(f"source '{self.name}' has kind 'files' and no path; say path: FOLDER_OR_FILE")
        if self.kind == "hf" and self.dataset is None:
            raise ValueError(f"source '{self.name}' has kind 'hf' and no data set; say dataset: OWNER/NAME")
        if self.kind != "files" and self.path is not None:
            raise ValueError(f"source '{self.name}' has kind '{self.kind}', which finds its own text; take its path out")
        for key in ("dataset", "subset", "split", "revision"):
            if self.kind != "hf" and getattr(self, key) is not None:
                raise ValueError(
                    f"source '{self.name}' has kind '{self.kind}', for which '{key}' has no effect; take it out, or say kind: hf"
                )
        return self


class NearDuplicatesConfig(Config):
    """Documents that say nearly the same."""

    enabled: bool = Field(default=True, description="drop documents that are nearly equal to one that is kept")
    threshold: float = Field(
        default=0.7, gt=0, le=1, description="Jaccard similarity of the sets of 5-word shingles from which on a document is dropped"
    )


class CurateConfig(Config):
    """What is kept of the raw text."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    normalise: bool = Field(default=True, description="Unicode NFC, one kind of line end, no control characters")
    languages: LanguagesConfig = Field(
        default=LanguagesConfig(), description="languages that are kept, as [en, de]; [] (all) looks at none"
    )
    rules: tuple[RuleSetName | RuleOrderName | OwnRules, ...] = Field(
        default=("gopher-2021", "gopher-2021-repetition"),
        description="rule sets in their order, published ones by name or your own; a document that breaks one rule is dropped",
    )
    perplexity: PerplexityConfig = Field(
        default=PerplexityConfig(), description="head, middle and tail by a model of good text; the path of one alone: keep all"
    )
    deduplicate: bool = Field(default=True, description="drop documents equal to an earlier one but for case and space")
    near_duplicates: NearDuplicatesConfig = NearDuplicatesConfig()
    repeated_passages: RepeatedPassagesConfig = Field(
        default=RepeatedPassagesConfig(), description="passages that stand in several documents; a kind alone, or false: none"
    )
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    part_bytes: int = Field(
        default=16 << 20,
        ge=1 << 10,
        description="text that is read by one worker at a time, about; a part gives one file of documents",
    )
    redact: RedactConfig = Field(
        default=RedactConfig(),
        description="replace personal data and secrets by placeholders; true: the default kinds, false: none",
    )
    validation: float = Field(default=0.01, ge=0, lt=1, description="share of documents held out")
    leakage_threshold: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="drop a training document that shares this part of its 5-word shingles, or of the other's, with a held-out one",
    )
    groups: GroupsConfig = Field(
        default=GroupsConfig(),
        description="whose mention is followed through the stages, to see whom they take out; false: nobody's",
    )
    alarms: AlarmsConfig = AlarmsConfig()

    @field_validator("redact", mode="before", json_schema_input_type=bool | RedactConfig)
    @classmethod
    def _redact_from_switch(cls, setting: Any) -> Any:
        return redact_from_switch(setting)

    @field_validator("languages", mode="before", json_schema_input_type=list[str] | LanguagesConfig)
    @classmethod
    def _languages_from_list(cls, setting: Any) -> Any:
        return languages_from_list(setting)

    @field_validator("perplexity", mode="before", json_schema_input_type=str | Literal[False] | PerplexityConfig)
    @classmethod
    def _perplexity_from_path(cls, setting: Any) -> Any:
        return perplexity_from_path(setting)

    @field_validator("near_duplicates", mode="before")
    @classmethod
    def _near_duplicates_switch(cls, setting: Any) -> Any:
        """Return the section that `near_duplicates: true` or `false` stands for."""
        return {"enabled": setting} if isinstance(setting, bool) else setting

    @field_validator(
        "repeated_passages", mode="before", json_schema_input_type=PassageKind | Literal[False] | RepeatedPassagesConfig
    )
    @classmethod
    def _passages_from_kind(cls, setting: Any) -> Any:
        return passages_from_kind(setting)

    @field_validator("groups", mode="before", json_schema_input_type=bool | GroupsConfig)
    @classmethod
    def _groups_from_switch(cls, setting: Any) -> Any:
        return groups_from_switch(setting)

    @field_validator("rules", mode="before")
    @classmethod
    def _known_sets(cls, rules: Any) -> Any:
        return known_sets(rules)

    @field_validator("rules")
    @classmethod
    def _each_set_once(cls, rules: tuple[RuleSetName | OwnRules, ...]) -> tuple[RuleSetName | OwnRules, ...]:
        check_names(rules)
        return rules

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called '{twice[0]}'; names must differ")
        return sources

    @model_validator(mode="after")
    def _check_alarms(self) -> Self:
        limit = self.alarms.group_loss
        if not self.groups.enabled and limit != AlarmsConfig().group_loss:
            raise ValueError(
                f"alarms.group_loss={limit:g} has no effect where groups are not counted; take it out, or groups: false"
            )
        return self

    def check_apart(self, results: Iterable[Path]) -> None:
        """Raise ConfigError if a source would read a folder of `results`, or lies in one."""
        check_apart(self.sources, results)


def check_apart(sources: Sequence[SourceConfig], results: Iterable[Path]) -> None:
    """Raise ConfigError if a source would read a folder of `results`, or lies in one: no result may become its own input."""
    for result in results:
        for source in sources:
            if source.path is None:
                continue
            there, here = source.path.resolve(), result.resolve()
            if here.is_relative_to(there) or there.is_relative_to(here):
                raise ConfigError(
                    f"{result}: the result and source '{source.name}', {source.path}, overlap: text must not be read from "
                    "where results are written; choose another --out"
                )
