"""The rule sets that settings name."""

from pathlib import Path

from groundup.core.errors import ConfigError
from groundup.core.files import storage_errors
from groundup.curate.classifier.stored import open_classifier
from groundup.curate.config import CurateConfig
from groundup.curate.perplexity.stored import open_scorer
from groundup.curate.rules.config import OwnLineRule, OwnRule, OwnRules, rule_name
from groundup.curate.rules.listed import NOTHING_LISTED, Listed
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import Rule, RuleSet

_SOURCE = "of your own"


def chosen_sets(config: CurateConfig) -> tuple[RuleSet, ...]:
    """Return the sets of `curate.rules` in their order."""
    return tuple(_own_set(given) if isinstance(given, OwnRules) else RULE_SETS[given] for given in config.rules)


def word_lists(config: CurateConfig) -> dict[str, Path]:
    """Return the files that rule sets of one's own read, by the name of their set."""
    return {given.name: given.word_list for given in config.rules if isinstance(given, OwnRules) and given.word_list}


def classifiers(config: CurateConfig) -> dict[str, Path]:
    """Return the folders of the classifiers that rule sets of one's own ask, by the name of their set."""
    return {given.name: given.classifier for given in config.rules if isinstance(given, OwnRules) and given.classifier}


def perplexity_models(config: CurateConfig) -> dict[str, Path]:
    """Return the folders of the perplexity models that rule sets of one's own ask, by the name of their set."""
    return {given.name: given.perplexity_model for given in config.rules if isinstance(given, OwnRules) and given.perplexity_model}


def _own_set(own: OwnRules) -> RuleSet:
    classifier = open_classifier(own.classifier) if own.classifier else None
    perplexity = open_scorer(own.perplexity_model) if own.perplexity_model else None
    return RuleSet(
        name=own.name,
        rules=tuple(map(_rule, own.rules)),
        source=", with ".join([_SOURCE, *(model.name for model in (classifier, perplexity) if model)]),
        lines=tuple(map(_rule, own.lines)),
        listed=_read(own.word_list) if own.word_list else NOTHING_LISTED,
        classifier=classifier,
        perplexity=perplexity,
    )


def _rule(own: OwnRule | OwnLineRule) -> Rule:
    return Rule(rule_name(own), own.measure, own.bound, own.threshold, _SOURCE)


def _read(path: Path) -> Listed:
    """Return the entries of a word list: one a line, in any case; what follows # is a comment."""
    try:
        with storage_errors(path):
            text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the word list is not UTF-8 ({error.reason} at byte {error.start}); convert it") from None
    entries = frozenset(" ".join(line.partition("#")[0].split()).lower() for line in text.splitlines()) - {""}
    if not entries:
        raise ConfigError(f"{path}: the word list has no entry; write one word or phrase a line")
    return Listed(entries)
