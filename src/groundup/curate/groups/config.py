"""The settings of counting documents that name groups of people."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from groundup.core.config import Config


class GroupsConfig(Config):
    """Whose mention is followed through the stages, to see whom they take out. Nothing is dropped by it."""

    enabled: bool = Field(default=True, description="count, at each stage, the documents that name groups of people")
    terms: Path | None = Field(
        default=None, description="YAML file of terms of your own beside those that are shipped: axis -> group -> list of terms"
    )

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        if self.terms is not None and not self.enabled:
            raise ValueError("terms has no effect where groups are not counted; say enabled: true, or take terms out")
        return self


def groups_from_switch(setting: Any) -> Any:
    """Return the section that `groups: true` or `groups: false` stands for; other settings as they are."""
    return {"enabled": setting} if isinstance(setting, bool) else setting
