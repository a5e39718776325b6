"""Counts in nested dictionaries, made part by part and added up."""

from typing import Any

Tally = dict[str, Any]
"""Name -> number, list of numbers, or another tally."""


def add_up(total: Tally, more: Tally) -> None:
    """Add the numbers of `more` to those of `total`, list by list and dictionary by dictionary."""
    for name, value in more.items():
        if isinstance(value, dict):
            add_up(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            before = total.get(name, [0] * len(value))
            total[name] = [one + other for one, other in zip(before, value, strict=True)]
        else:
            total[name] = total.get(name, 0) + value


def summed(tallies: "list[Tally]") -> Tally:
    """Return the sum of all tallies."""
    total: Tally = {}
    for tally in tallies:
        add_up(total, tally)
    return total


def count(tally: Tally, *path: str, **numbers: int) -> None:
    """Add the numbers to the tally that lies under `path`."""
    for name in path:
        tally = tally.setdefault(name, {})
    for name, number in numbers.items():
        tally[name] = tally.get(name, 0) + number
