"""One rule: a measured value and the bound it must keep."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from groundup.curate.rules.statistics import TextStatistics


@dataclass(frozen=True)
class Rule:
    """Keep a document whose value reaches (`at_least`) or does not pass (`at_most`) the threshold; the threshold itself is kept."""

    name: str
    measure: Callable[[TextStatistics], float]
    bound: Literal["at_least", "at_most"]
    threshold: float

    def passes(self, value: float) -> bool:
        return value >= self.threshold if self.bound == "at_least" else value <= self.threshold


def first_broken(rules: tuple[Rule, ...], statistics: TextStatistics) -> tuple[Rule, float] | None:
    """Return the first rule that the document breaks with the value measured, None if it keeps all."""
    for rule in rules:
        value = rule.measure(statistics)
        if not rule.passes(value):
            return rule, value
    return None
