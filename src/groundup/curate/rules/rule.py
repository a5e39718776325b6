"""Rules as data: what is measured, the bound it must keep, and where the number was published."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Literal

Bound = Literal["at_least", "at_most", "above", "below"]
KEEPS: dict[Bound, Callable[[float, float], bool]] = {"at_least": ge, "at_most": le, "above": gt, "below": lt}
"""How a value is compared with its threshold. The first two keep a value on the threshold, the others drop it."""


@dataclass(frozen=True)
class Rule:
    """Keep a document whose measured value stands to the threshold as the bound says."""

    name: str
    """As the ledger of drops shows it."""
    measure: str
    """A key of `MEASURES`."""
    bound: Bound
    threshold: float
    source: str = ""
    """Paper and section of the number, or how far it could be verified."""

    def passes(self, value: float) -> bool:
        return bool(KEEPS[self.bound](value, self.threshold))


@dataclass(frozen=True)
class RuleSet:
    """Rules that belong together, asked in their order; the first one broken drops the document."""

    name: str
    """Also the name of its stage in the funnel."""
    rules: tuple[Rule, ...]
    source: str = ""
    version: int = 1
    """Raised when a number of the set, or what its measures count, changes."""
