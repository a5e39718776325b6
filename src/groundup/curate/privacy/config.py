"""The settings of taking personal data and secrets out of text."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import Config

KindName = Literal["api_key", "email", "iban", "card", "ssn", "ipv6", "mac", "ipv4", "phone"]
DEFAULT_KINDS: tuple[KindName, ...] = ("api_key", "email", "iban", "card", "ssn", "ipv6", "mac", "ipv4", "phone")
ADDRESS_KINDS = frozenset({"ipv4", "ipv6"})


class RedactConfig(Config):
    """Which personal data and secrets become placeholders such as <EMAIL>."""

    kinds: tuple[KindName, ...] = Field(default=DEFAULT_KINDS, description="what is replaced; none is as `redact: false`")
    private_addresses: bool = Field(
        default=False, description="also IP addresses of private networks and of documentation, which name nobody"
    )

    @field_validator("kinds")
    @classmethod
    def _each_kind_once(cls, kinds: tuple[KindName, ...]) -> tuple[KindName, ...]:
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"the kind '{twice[0]}' is named twice; name each once")
        return kinds

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        if self.private_addresses and not ADDRESS_KINDS & set(self.kinds):
            raise ValueError("private_addresses has no effect without the kinds 'ipv4' or 'ipv6'; add one, or take it out")
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
