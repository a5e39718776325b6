"""The settings of rule sets of one's own."""

from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from pydantic import Field, field_validator, model_validator

from groundup.artifacts.names import SOURCE_NAME
from groundup.core.config import Config, nearest
from groundup.core.errors import ConfigError

RuleSetName = Literal[
    "gopher-2021", "gopher-2021-repetition", "c4-jmlr", "fineweb-paper", "fineweb-code", "refinedweb", "mild-words"
]
RuleOrderName = Literal["massivetext"]
RULE_ORDERS: dict[RuleOrderName, tuple[RuleSetName, ...]] = {"massivetext": ("gopher-2021", "gopher-2021-repetition")}
"""Published orders of rule sets, replaced by their sets: MassiveText asks quality before repetition (Rae et al. 2021, A1)."""
_NAMES = (*get_args(RuleSetName), *get_args(RuleOrderName))
STAGE_NAMES = (
    "collect",
    "normalise",
    "languages",
    "perplexity",
    "decontaminate",
    "deduplicate",
    "near_duplicates",
    "leakage",
    "repeated_passages",
    "redact",
)
"""Of the funnel, beside the rule sets."""

Bound = Literal["at_least", "at_most", "above", "below"]
BOUNDS: tuple[Bound, ...] = get_args(Bound)
MeasureName = Literal[
    "num_words",
    "num_sentences",
    "mean_word_length",
    "words_with_letter",
    "stop_words",
    "hash_signs_per_word",
    "ellipses_per_word",
    "line_feeds_per_word",
    "curly_brackets",
    "lorem_ipsum",
    "listed_words",
    "listed_words_per_word",
    "classifier_score",
    "perplexity",
    "bullet_lines",
    "ellipsis_lines",
    "punctuated_lines",
    "lines_under_30_chars",
    "lines_to_30_chars",
    "duplicate_lines",
    "duplicate_line_chars",
    "duplicate_paragraphs",
    "duplicate_paragraph_chars",
    "top_2gram_chars",
    "top_3gram_chars",
    "top_4gram_chars",
    "duplicate_5gram_chars",
    "duplicate_6gram_chars",
    "duplicate_7gram_chars",
    "duplicate_8gram_chars",
    "duplicate_9gram_chars",
    "duplicate_10gram_chars",
    "flagged_words",
]
LineMeasureName = Literal[
    "words",
    "longest_word",
    "end_mark",
    "javascript",
    "policy_phrases",
    "uppercase_chars",
    "numeric_words",
    "counter",
]


class _Bounded(Config):
    """One bound of a measure."""

    at_least: float | None = Field(default=None, ge=0, description="keep this value and more")
    at_most: float | None = Field(default=None, ge=0, description="keep this value and less")
    above: float | None = Field(default=None, ge=0, description="keep more than this value")
    below: float | None = Field(default=None, ge=0, description="keep less than this value")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [name for name in BOUNDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a rule has one bound of {', '.join(BOUNDS)}; this one has {' and '.join(given) or 'none'}")
        return self

    @property
    def bound(self) -> Bound:
        return next(name for name in BOUNDS if getattr(self, name) is not None)

    @property
    def threshold(self) -> float:
        value: float = getattr(self, self.bound)
        return value


def _known(name: Any, names: tuple[str, ...]) -> Any:
    if isinstance(name, str) and name not in names:
        raise ValueError(f"nothing measured is called '{name}'; {nearest(name, list(names))}")
    return name


class OwnRule(_Bounded):
    """A bound that a document must keep."""

    measure: MeasureName = Field(description="what is measured of the document; the table in docs/curate.md describes each")

    @field_validator("measure", mode="before")
    @classmethod
    def _known_measure(cls, name: Any) -> Any:
        return _known(name, get_args(MeasureName))


class OwnLineRule(_Bounded):
    """A bound that each line must keep."""

    measure: LineMeasureName = Field(description="what is measured of each line; the table in docs/curate.md describes each")

    @field_validator("measure", mode="before")
    @classmethod
    def _known_measure(cls, name: Any) -> Any:
        return _known(name, get_args(LineMeasureName))


class OwnRules(Config):
    """A rule set of one's own."""

    name: str = Field(pattern=SOURCE_NAME, description="of your own set; its stage is called so in funnel and reports")
    lines: tuple[OwnLineRule, ...] = Field(default=(), description="lines that break one are taken out of the text, before `rules`")
    rules: tuple[OwnRule, ...] = Field(default=(), description="a document that breaks one is dropped")
    word_list: Path | None = Field(
        default=None,
        description="file with a word or phrase a line, for `listed_words` and `listed_words_per_word`; # starts a comment",
    )
    classifier: Path | None = Field(
        default=None, description="folder that `groundup curate train-classifier` made, for `classifier_score`"
    )
    perplexity_model: Path | None = Field(
        default=None, description="folder that `groundup curate train-perplexity` made, for `perplexity`"
    )

    @model_validator(mode="after")
    def _each_rule_has_an_effect(self) -> Self:
        measures = {rule.measure for rule in self.rules}
        if not self.rules and not self.lines:
            raise ValueError(f"set '{self.name}' has no rules; give it `rules` or `lines`")
        if "flagged_words" in measures and not self.lines:
            raise ValueError(f"set '{self.name}' bounds flagged_words and has no `lines` that could flag any")
        if bool(measures & {"listed_words", "listed_words_per_word"}) != (self.word_list is not None):
            raise ValueError(f"set '{self.name}': a rule on listed_words or listed_words_per_word and a word_list need each other")
        if ("classifier_score" in measures) != (self.classifier is not None):
            raise ValueError(f"set '{self.name}': a rule on classifier_score and a classifier need each other")
        if ("perplexity" in measures) != (self.perplexity_model is not None):
            raise ValueError(f"set '{self.name}': a rule on perplexity and a perplexity_model need each other")
        for rules in (self.rules, self.lines):
            names = [rule_name(rule) for rule in rules]
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"set '{self.name}' bounds {twice[0]} twice; keep the tighter one")
        return self


def rule_name(rule: OwnRule | OwnLineRule) -> str:
    """Return the name under which the ledger shows a rule of one's own: its measure and which side is bounded."""
    name = f"{rule.measure}_{'min' if rule.bound in ('at_least', 'above') else 'max'}"
    return f"line_{name}" if isinstance(rule, OwnLineRule) else name


def known_sets(rules: Any) -> Any:
    """Return the sets that a recipe names, an order replaced by its sets; ValueError with the nearest name for an unknown one."""
    if not isinstance(rules, list | tuple):
        return rules
    found: list[Any] = []
    for given in rules:
        if isinstance(given, str):
            if given not in _NAMES:
                raise ValueError(f"no rule set is called '{given}'; {nearest(given, list(_NAMES))}")
            found += RULE_ORDERS.get(cast(RuleOrderName, given), (given,))
        else:
            found.append(_own_set(given) if isinstance(given, dict) else given)
    return found


def _own_set(given: dict[str, Any]) -> OwnRules:
    """Return the set; ValueError with every problem of it, so that the message around it names the place."""
    try:
        return OwnRules.parse(given, f"set '{given.get('name', '')}'")
    except ConfigError as error:
        raise ValueError(str(error)) from None


def check_names(rules: tuple[str | OwnRules, ...]) -> None:
    """Raise ValueError if two sets, or a set and a stage, have the same name."""
    names = [given if isinstance(given, str) else given.name for given in rules]
    if len(set(names)) < len(names):
        raise ValueError("a rule set is named twice; name each once")
    for given in rules:
        if isinstance(given, OwnRules) and given.name in (*_NAMES, *STAGE_NAMES):
            raise ValueError(f"'{given.name}' is the name of a published set or of a stage; call your own set something else")
