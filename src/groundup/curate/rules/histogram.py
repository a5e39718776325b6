"""How the measured values of many texts are distributed, in bins fixed for each measure so that tallies can be added."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from groundup.core.errors import DataError
from groundup.curate.rules.batch import Floats
from groundup.curate.rules.characters import Ints
from groundup.curate.rules.measures import MEASURES


@dataclass
class Histogram:
    """Counts of the values of one measure. A bin holds its lower edge and not its upper one; the last is open above."""

    measure: str
    counts: Ints = field(init=False)

    def __post_init__(self) -> None:
        self._edges = np.array(MEASURES[self.measure].edges, np.float64)
        self.counts = np.zeros(len(self._edges), np.int64)

    def add(self, values: Floats | Ints) -> None:
        """Count the values, all 0 or more."""
        bins = np.searchsorted(self._edges, values, side="right") - 1
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def merge(self, other: "Histogram") -> None:
        """Add what another histogram of the same measure counted."""
        assert self.measure == other.measure, f"histograms of {self.measure} and {other.measure} cannot be added"
        self.counts += other.counts

    def to_json(self) -> dict[str, Any]:
        """Return the measure, the lower edges of the bins, and how many values each holds."""
        return {"measure": self.measure, "edges": self._edges.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Histogram":
        """Return the histogram; DataError if its bins are not those of this version."""
        made = cls(data["measure"])
        if data["edges"] != made._edges.tolist():
            raise DataError(f"a histogram of {made.measure} has other bins than this version's; curate again")
        made.counts = np.array(data["counts"], np.int64)
        return made


class Histograms:
    """One histogram for each rule of each set, over the texts that came to the set."""

    def __init__(self) -> None:
        self.by_rule: dict[tuple[str, str], Histogram] = {}
        """(set, rule) -> its histogram."""

    def add(self, rule_set: str, rule: str, measure: str, values: Floats | Ints) -> None:
        """Count the values that a rule found."""
        self.by_rule.setdefault((rule_set, rule), Histogram(measure)).add(values)

    def merge(self, other: "Histograms") -> None:
        """Add what another tally counted."""
        for (rule_set, rule), found in other.by_rule.items():
            self.by_rule.setdefault((rule_set, rule), Histogram(found.measure)).merge(found)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the histograms with the names of set and rule, in the order in which they were first counted."""
        return [{"set": rule_set, "rule": rule, **found.to_json()} for (rule_set, rule), found in self.by_rule.items()]

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> "Histograms":
        """Return the tally that `to_json` gave."""
        made = cls()
        made.by_rule = {(found["set"], found["rule"]): Histogram.from_json(found) for found in data}
        return made
