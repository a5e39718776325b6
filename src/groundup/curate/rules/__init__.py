"""Published quality rules by the name of their set."""

from groundup.curate.config import RuleSetName
from groundup.curate.rules.gopher import QUALITY, REPETITION
from groundup.curate.rules.rule import Rule

RULE_SETS: dict[RuleSetName, tuple[Rule, ...]] = {"gopher-2021": QUALITY, "gopher-2021-repetition": REPETITION}
