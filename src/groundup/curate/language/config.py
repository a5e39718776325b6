"""The settings of telling languages apart."""

import re
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import Config

MIN_SCORE = 0.65
_CODE = re.compile(r"[a-z]{2,3}")


class LanguagesConfig(Config):
    """Which languages are kept."""

    keep: tuple[str, ...] = Field(
        default=(), description="codes such as en, de, zh; documents in others are dropped; empty: all kept"
    )
    min_score: float = Field(
        default=MIN_SCORE, gt=0, le=1, description="a document of a kept language is dropped below this probability (FineWeb: 0.65)"
    )
    lines: bool = Field(default=False, description="also take out single lines that are surely in another language")
    identify: bool = Field(default=False, description="write the language into the documents' column though none is dropped")

    @field_validator("keep")
    @classmethod
    def _check_codes(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        for code in keep:
            if not _CODE.fullmatch(code):
                raise ValueError(f"'{code}' is no code of a language; write two or three small letters, as in en, de, zh")
        if len(set(keep)) < len(keep):
            raise ValueError("a language is named twice; name each once")
        return keep

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        if not self.keep:
            for name in ("min_score", "lines"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect without languages to keep; name them in keep, or take {name} out")
        elif self.identify:
            raise ValueError("identify has no effect where languages are chosen, which identifies them anyway; take it out")
        return self

    @property
    def is_on(self) -> bool:
        """Whether languages are looked at at all."""
        return bool(self.keep) or self.identify


def languages_from_list(setting: Any) -> Any:
    """Return the section that a plain list of languages stands for; other settings as they are."""
    if isinstance(setting, list | tuple):
        return {"keep": setting}
    return setting
