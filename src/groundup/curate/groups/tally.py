"""How much of the text that names a group of people a choice of documents keeps."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.curate.groups.terms import Terms, words_of

GroupTerms = dict[str, dict[str, list[str]]]
"""Axis (gender) -> group (women) -> terms."""


class GroupFinder:
    """Finds the groups that a text names. Made once a worker."""

    def __init__(self, terms: GroupTerms) -> None:
        self.names = [name_of(axis, group) for axis, groups in terms.items() for group in groups]
        self._terms = Terms({name_of(axis, group): found for axis, groups in terms.items() for group, found in groups.items()})

    def find(self, text: str) -> frozenset[str]:
        """Return the groups named, as AXIS/GROUP."""
        return frozenset(self._terms.count(words_of(text)))


class GroupTally:
    """Documents that name each group, before and after; tallies of parts add up in any order."""

    def __init__(self) -> None:
        self.before = Counter[str]()
        self.after = Counter[str]()
        self.num_before = self.num_after = 0

    def add(self, groups: Iterable[str], kept: bool) -> None:
        """Count one document."""
        found = list(groups)
        self.before.update(found)
        self.num_before += 1
        if kept:
            self.after.update(found)
            self.num_after += 1

    def merge(self, other: "GroupTally") -> None:
        """Add the counts of another part."""
        self.before += other.before
        self.after += other.after
        self.num_before += other.num_before
        self.num_after += other.num_after

    def to_json(self, names: Iterable[str]) -> dict[str, dict[str, float]]:
        """Return for each group the documents before and after, the part kept, and that over the part kept of all documents.

        A ratio below 1 says that documents which name the group were dropped more often than others.
        """
        overall = self.num_after / max(self.num_before, 1)
        return {name: _row(self.before[name], self.after[name], overall) for name in names}


def _row(before: int, after: int, overall: float) -> dict[str, float]:
    row: dict[str, float] = {"documents_before": before, "documents_after": after}
    if before:
        row["kept"] = after / before
        if overall:
            row["kept_over_all"] = after / before / overall
    return row


def name_of(axis: str, group: str) -> str:
    """Return how a group is called in reports."""
    return f"{axis}/{group}"


def shipped_terms() -> GroupTerms:
    """Return the groups and terms that are shipped."""
    return _checked(
        yaml.safe_load(files("groundup.curate.groups").joinpath("group_terms.yaml").read_text(encoding="utf-8")), "group_terms.yaml"
    )


def read_terms(path: Path | None) -> GroupTerms:
    """Return the shipped terms with those of a file beside them: axis -> group -> list of terms, in YAML."""
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
    return terms


def _checked(data: Any, where: str) -> GroupTerms:
    if not isinstance(data, Mapping):
        raise DataError(f"{where}: expected axes with groups of terms, as in 'gender: {{women: [woman, women]}}'")
    for axis, groups in data.items():
        for group, terms in groups.items() if isinstance(groups, Mapping) else [("", None)]:
            if not isinstance(terms, list) or not all(isinstance(term, str) and words_of(term) for term in terms):
                raise DataError(
                    f"{where}: '{name_of(str(axis), str(group))}' should be a list of words and phrases, written as text"
                )
    return {str(axis): {str(group): list(terms) for group, terms in groups.items()} for axis, groups in data.items()}
