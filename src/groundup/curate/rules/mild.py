"""A small list of words that harm, shipped as a rule set of our own."""

from importlib.resources import files
from typing import Any

import yaml

from groundup.curate.rules.listed import Listed
from groundup.curate.rules.rule import Rule, RuleSet

_FILE = "mild_words.yaml"
_DATA: dict[str, Any] = yaml.safe_load(files("groundup.curate.rules").joinpath(_FILE).read_text(encoding="utf-8"))

MILD_WORDS = RuleSet(
    name="mild-words",
    source=f"of our own: {_FILE}, which says what it is for and what it is not",
    rules=(Rule("listed_words_per_word", "listed_words_per_word", "at_most", 0.02, "of our own: one word in fifty"),),
    listed=Listed(frozenset(term for terms in _DATA["terms"].values() for term in terms)),
)
"""Insults, swearing, advertising for adults, threats: English, mild, and no slurs against groups."""
