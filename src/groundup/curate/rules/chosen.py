"""The rule sets that settings name."""

from groundup.curate.config import CurateConfig
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import RuleSet


def chosen_sets(config: CurateConfig) -> tuple[RuleSet, ...]:
    """Return the sets of `curate.rules` in their order."""
    return tuple(RULE_SETS[name] for name in config.rules)
