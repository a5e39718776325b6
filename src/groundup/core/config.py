"""Frozen settings with errors that name the nearest known key."""

import difflib
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from groundup.core.errors import ConfigError


class Config(BaseModel):
    """Base of all settings: immutable, unknown keys refused, validated when made from outside data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, data: Mapping[str, Any], where: str) -> Self:
        """Validate `data`; raise ConfigError with every problem, each with its dotted key, if it does not fit.

        `where` names the origin of the data (a file) in the message.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = [_explain(cls, problem) for problem in error.errors()]
            raise ConfigError("\n".join(f"{where}: {problem}" for problem in problems)) from None


def nearest(word: str, known: list[str]) -> str:
    """Return a hint that names the known word closest to `word`, or all of them if none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known))}"


def _explain(model: type[BaseModel], problem: Any) -> str:
    path = [str(part) for part in problem["loc"] if not str(part).startswith("<")]  # the tag of one of several types
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'; {nearest(path[-1], _fields_at(model, path[:-1]))}"
    if problem["type"] == "missing":
        return f"'{key}' is required and missing"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    given = problem.get("input")
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool | None) else ""
    return f"'{key}': {message}{shown}" if key else f"{message}{shown}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the field names of the model found by walking `path` from `model`; list indices are stepped over."""
    current = [model]
    for part in path:
        inner = [m for c in current for name, f in c.model_fields.items() if name == part for m in _models_in(f.annotation)]
        if inner:
            current = inner
    return sorted({name for c in current for name in c.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]
