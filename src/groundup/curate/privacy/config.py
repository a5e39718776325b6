"""The settings of taking personal data and secrets out of text."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import Config

KindName = Literal["api_key", "email", "iban", "card", "ssn", "ipv6", "mac", "ipv4", "phone", "street", "person"]
DEFAULT_KINDS: tuple[KindName, ...] = ("api_key", "email", "iban", "card", "ssn", "ipv6", "mac", "ipv4", "phone")
ADDRESS_KINDS = frozenset({"ipv4", "ipv6"})


class RedactConfig(Config):
    """Which personal data and secrets become placeholders such as <EMAIL>."""

    kinds: tuple[KindName, ...] = Field(default=DEFAULT_KINDS, description="what is replaced; none is as `redact: false`")
    private_addresses: bool = Field(
        default=False, description="also IP addresses of private networks and of documentation, which name nobody"
    )

    person_names: tuple[str, ...] = Field(default=(), description="names that are persons (kind `person`), upper or lower case")
    person_pipeline: str | None = Field(
        default=None, description="installed spaCy pipeline, or folder of one, that finds persons (kind `person`)"
    )

    @field_validator("kinds")
    @classmethod
    def _each_kind_once(cls, kinds: tuple[KindName, ...]) -> tuple[KindName, ...]:
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"the kind '{twice[0]}' is named twice; name each once")
        return kinds

    @field_validator("person_names")
    @classmethod
    def _names_are_there(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError("a name is empty; it would be found everywhere")
        return names

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        if self.private_addresses and not ADDRESS_KINDS & set(self.kinds):
            raise ValueError("private_addresses has no effect without the kinds 'ipv4' or 'ipv6'; add one, or take it out")
        tells_persons = bool(self.person_names) or self.person_pipeline is not None
        if tells_persons and "person" not in self.kinds:
            raise ValueError("person_names and person_pipeline have no effect without the kind 'person'; add it, or take them out")
        if "person" in self.kinds and not tells_persons:
            raise ValueError(
                "the kind 'person' needs to be told who is one: list person_names, or name a spaCy pipeline in person_pipeline"
            )
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is replaced at all."""
        return bool(self.kinds)


def redact_from_switch(setting: Any) -> Any:
    """Return the section that `redact: true` (the default kinds) or `redact: false` (none) stands for; others as they are."""
    if isinstance(setting, bool):
        return RedactConfig() if setting else RedactConfig(kinds=())
    return setting
