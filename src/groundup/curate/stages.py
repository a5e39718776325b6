"""The stages that a document passes."""

from groundup.curate.config import CurateConfig
from groundup.curate.rules.chosen import chosen_sets


def stages_of(config: CurateConfig) -> list[str]:
    """Return the names of the stages that are on, in order (that of Rae et al. 2021, A1.1: filters, copies, held-out text)."""
    after_rules = {
        "perplexity": config.perplexity.is_on,
        "decontaminate": bool(config.decontaminate.items),
        "deduplicate": config.deduplicate,
        "near_duplicates": config.near_duplicates.enabled,
        "leakage": config.validation > 0,
        "repeated_passages": config.repeated_passages.is_on,
        "redact": config.redact.is_on,
    }
    rule_sets = (rule_set.name for rule_set in chosen_sets(config))
    before_rules = {"normalise": config.normalise, "languages": config.languages.is_on}
    before = (name for name, is_on in before_rules.items() if is_on)
    return ["collect", *before, *rule_sets, *(name for name, is_on in after_rules.items() if is_on)]
