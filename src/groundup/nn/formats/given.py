"""The keys of settings that someone else wrote."""

from collections.abc import Mapping
from typing import Any, TypeVar

from groundup.core.errors import ConfigError

Value = TypeVar("Value")


class Given:
    """A config.json or its like, read key by key; what is missing, of the wrong kind or beyond our models raises ConfigError.

    The first of several keys that is there counts: some families renamed theirs. A key that is null counts as missing.
    """

    def __init__(self, data: Mapping[str, Any], model_type: str, where: str = "config.json") -> None:
        self._data = data
        self._model_type = model_type
        self._where = where

    def whole(self, *keys: str, default: int | None = None) -> int:
        """Return a whole number above 0."""
        key, value = self._find(keys, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{self._where}: {key}={value!r} should be a whole number above 0")
        return value

    def number(self, *keys: str, default: float | None = None) -> float:
        key, value = self._find(keys, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{self._where}: {key}={value!r} should be a number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        _, value = self._find((key,), default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._where}: {key}={value!r} should be true or false")
        return value

    def choice(self, key: str, ours: Mapping[str, Value], default: str) -> Value:
        """Return what `ours` has for the name at `key`."""
        _, value = self._find((key,), default)
        if not isinstance(value, str) or value not in ours:
            raise ConfigError(
                f"{self._where}: {key}={value!r} is not among what groundup reads in {self._model_type} models: {', '.join(ours)}"
            )
        return ours[value]

    def section(self, *keys: str) -> "Given":
        """Return the object at the first key that is there, empty if none is."""
        for key in keys:
            value = self._data.get(key)
            if value is not None:
                if not isinstance(value, Mapping):
                    raise ConfigError(f"{self._where}: {key}={value!r} should be an object")
                return Given(value, self._model_type, self._where)
        return Given({}, self._model_type, self._where)

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def architectures(self) -> list[str]:
        """Return the names of the classes that the model was saved from."""
        value = self._data.get("architectures")
        return [str(name) for name in value] if isinstance(value, list) else []

    def only(self, **supported: Any) -> None:
        """Raise ConfigError if a key is there with another value than the one that groundup has."""
        for key, value in supported.items():
            given = self._data.get(key)
            if given is not None and given != value:
                raise ConfigError(
                    f"{self._where}: {key}={given!r}; groundup reads {self._model_type} models with {key}={value!r} only"
                )

    def same(self, *keys: str, default: Any = None) -> None:
        """Raise ConfigError unless all the keys have one value, which groundup has one setting for."""
        values = {key: self._data.get(key, default) for key in keys}
        if len(set(map(repr, values.values()))) > 1:
            said = ", ".join(f"{key}={value!r}" for key, value in values.items())
            raise ConfigError(f"{self._where}: {said}; groundup reads {self._model_type} models where they are equal only")

    def _find(self, keys: tuple[str, ...], default: Any) -> tuple[str, Any]:
        for key in keys:
            if self._data.get(key) is not None:
                return key, self._data[key]
        if default is None:
            raise ConfigError(f"{self._where}: '{keys[0]}' is missing, which {self._model_type} models need")
        return keys[0], default
