"""The verdict of rule sets over texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.rule import Rule, RuleSet
from groundup.curate.rules.statistics import TextStatistics


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule found in a text."""

    rule_set: str
    rule: Rule
    value: float

    @property
    def passes(self) -> bool:
        return self.rule.passes(self.value)


@dataclass(frozen=True, slots=True)
class Edit:
    """What one rule about lines took out of a text."""

    rule_set: str
    rule: str
    count: int
    """Lines, or marks inside lines."""
    num_bytes: int
    """Of the text taken out, in UTF-8, without the white space around it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one text."""

    text: str
    """After the edits of every set that was asked, the one that it broke included."""
    broken: Measured | None
    """The first rule broken; None if all are kept."""
    edits: tuple[Edit, ...] = ()
    """In the order of the sets; sets and rules that took nothing out are left away."""


class Judge:
    """Asks texts the rules of some sets, in their order; a text that breaks one set is not asked those after it."""

    def __init__(self, rule_sets: Sequence[RuleSet]) -> None:
        self.rule_sets = tuple(rule_sets)

    def judge(self, texts: Sequence[str]) -> list[Verdict]:
        """Return for each text its verdict. Give some hundred texts at once: what a call costs is shared by them."""
        return [self._verdict(text) for text in texts]

    def _verdict(self, text: str) -> Verdict:
        statistics = TextStatistics(text)
        for rule_set in self.rule_sets:
            for rule in rule_set.rules:
                found = Measured(rule_set.name, rule, float(MEASURES[rule.measure].of(statistics)))
                if not found.passes:
                    return Verdict(text, found)
        return Verdict(text, None)


def measure_all(text: str, rule_sets: Sequence[RuleSet]) -> list[Measured]:
    """Return what every rule of every set finds in the text, also after one is broken."""
    statistics = TextStatistics(text)
    return [
        Measured(rule_set.name, rule, float(MEASURES[rule.measure].of(statistics)))
        for rule_set in rule_sets
        for rule in rule_set.rules
    ]
