"""The terms by which texts name groups of people."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.curate.dedup.words import read_words

GroupTerms = dict[str, dict[str, list[str]]]
"""Axis (gender) -> group (women) -> terms."""
MAX_GROUPS = 62
"""The groups that a document names are one number of 64 bits."""


def name_of(axis: str, group: str) -> str:
    """Return how a group is called in reports."""
    return f"{axis}/{group}"


def shipped_terms() -> GroupTerms:
    """Return the groups and terms that are shipped."""
    text = files("groundup.curate.groups").joinpath("group_terms.yaml").read_text(encoding="utf-8")
    return _checked(yaml.safe_load(text), "group_terms.yaml")


def read_terms(path: Path | None) -> GroupTerms:
    """Return the shipped terms with those of a file beside them: axis -> group -> list of terms, in YAML.

    Raises DataError if the file holds something else, or there are more than `MAX_GROUPS` groups.
    """
    terms = shipped_terms()
    if path is None:
        return terms
    try:
        with storage_errors(path):
            own = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    for axis, groups in _checked(own, str(path)).items():
        for group, found in groups.items():
            terms.setdefault(axis, {}).setdefault(group, []).extend(found)
    number = sum(map(len, terms.values()))
    if number > MAX_GROUPS:
        raise DataError(f"{path}: with those that are shipped there are {number} groups, and at most {MAX_GROUPS} are counted")
    return terms


def _checked(data: Any, where: str) -> GroupTerms:
    if not isinstance(data, Mapping):
        raise DataError(f"{where}: expected axes with groups of terms, as in 'gender: {{women: [woman, women]}}'")
    for axis, groups in data.items():
        for group, terms in groups.items() if isinstance(groups, Mapping) else [("", None)]:
            if not isinstance(terms, list) or not all(isinstance(term, str) and has_word(term) for term in terms):
                raise DataError(
                    f"{where}: '{name_of(str(axis), str(group))}' should be a list of words and phrases, written as text"
                )
    return {str(axis): {str(group): list(terms) for group, terms in groups.items()} for axis, groups in data.items()}


def has_word(term: str) -> bool:
    """Return whether there is a word in it that a text could have."""
    return len(read_words([term], punctuation=False).hashes) > 0
