"""What differs between an artifact that is there and the one that is asked for."""

from collections.abc import Iterator, Mapping
from typing import Any

SHOWN = 6
"""Differences that a message names; the others are counted."""
_MAX_CHARS = 60


def differences(stage: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return in words how what an artifact was made from differs from what it is to be made from, '' if it does not.

    Both hold what `Order.made_from` gives: the stage's config, seed, content hashes of inputs, hashes of sources.
    """
    found = [
        *_settings(stage, there.get("config", {}), here.get("config", {})),
        *([f"seed {there.get('seed')} there, {here.get('seed')} here"] if there.get("seed") != here.get("seed") else []),
        *_others("input", there.get("inputs", {}), here.get("inputs", {})),
        *_others("source", there.get("sources", {}), here.get("sources", {})),
    ]
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "; ".join([*found[:SHOWN], *more])


def _settings(place: str, there: Any, here: Any) -> Iterator[str]:
    """Yield the settings that differ, by dotted key."""
    if not (isinstance(there, Mapping) and isinstance(here, Mapping)):
        if there != here:
            yield f"{place} {_shown(there)} there, {_shown(here)} here"
        return
    for key in dict.fromkeys((*there, *here)):
        yield from _settings(f"{place}.{key}", there.get(key), here.get(key))


def _others(what: str, there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*there, *here)):
        if there.get(name) != here.get(name):
            yield f"another {what} '{name}'"


def _shown(value: Any) -> str:
    words = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return words if len(words) <= _MAX_CHARS else words[: _MAX_CHARS - 3] + "..."
