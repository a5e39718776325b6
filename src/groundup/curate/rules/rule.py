"""Rules as data: what is measured, the bound it must keep, and where the number was published."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from groundup.curate.classifier.linear import LinearClassifier
from groundup.curate.perplexity.stored import PerplexityScorer
from groundup.curate.rules.config import Bound
from groundup.curate.rules.listed import NOTHING_LISTED, Listed

KEEPS: dict[Bound, Callable[[Any, Any], Any]] = {"at_least": ge, "at_most": le, "above": gt, "below": lt}
"""How a value, or an array of them, stands to its threshold. The first two keep a value on the threshold, the others drop it."""


@dataclass(frozen=True)
class Rule:
    """Keep a document, or a line, whose measured value stands to the threshold as the bound says."""

    name: str
    """As the ledger shows it."""
    measure: str
    """A key of `MEASURES`; of `LINE_MEASURES` in a rule about lines."""
    bound: Bound
    threshold: float
    source: str = ""
    """Paper and section of the number, or how far it could be verified."""

    def passes(self, value: float) -> bool:
        return bool(KEEPS[self.bound](value, self.threshold))


@dataclass(frozen=True)
class Mark:
    """Take every match of the pattern out of lines."""

    name: str
    """As the ledger shows it."""
    description: str
    pattern: re.Pattern[str]
    source: str
    max_words: int = 1 << 62
    """Longer lines are left alone."""
    hint: str = ""
    """A piece (see `Characters.places_of`) without which no line has the mark."""


@dataclass(frozen=True)
class RuleSet:
    """Rules that belong together, asked in the order `before`, `lines`, `rules`; the first one broken drops the document."""

    name: str
    """Also the name of its stage in the funnel."""
    rules: tuple[Rule, ...]
    source: str = ""
    before: tuple[Rule, ...] = ()
    """About the document as it comes, before lines are edited."""
    lines: tuple[Rule | Mark, ...] = ()
    """What takes lines, or marks in lines, out of the text."""
    listed: Listed = NOTHING_LISTED
    """Of the measure `listed_words`."""
    classifier: LinearClassifier | None = None
    """Of the measure `classifier_score`."""
    perplexity: PerplexityScorer | None = None
    """Of the measure `perplexity`."""
    version: int = 1
    """Raised when a number of the set, or what its measures count, changes."""

    @property
    def of_documents(self) -> tuple[Rule, ...]:
        """All rules that can drop a document, in their order."""
        return (*self.before, *self.rules)
