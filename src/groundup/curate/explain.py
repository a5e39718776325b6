"""Why a document was kept or dropped."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from groundup.artifacts.documents import SPLIT_FOLDERS, Documents, Split
from groundup.core.errors import DataError
from groundup.curate.classifier.telling import Reason, reasons
from groundup.curate.config import CurateConfig
from groundup.curate.dedup.decontaminate import open_decontaminator
from groundup.curate.language.identify import LanguageIdentifier
from groundup.curate.leakage import LeakageIndex
from groundup.curate.lookup import find_row, find_rows, nearest_ids
from groundup.curate.perplexity.buckets import STAGE
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import measure_all

_REPEATS = ("deduplicate", "near_duplicates", "leakage")
NUM_SHOWN = 20
"""Copies and documents of a cluster whose ids are told."""
_NUM_SAID = 5
"""Of these, on a terminal."""


@dataclass(frozen=True)
class Check:
    """One rule's verdict."""

    stage: str
    rule: str
    value: float
    bound: str
    """As in `Bound`: 'at_least' or 'at_most' the threshold is kept; 'below' for copies and leakage."""
    threshold: float
    passed: bool
    twin_id: str | None = None


@dataclass(frozen=True)
class Edited:
    """What one rule about lines, or kind of repeated passages, took out of a document."""

    stage: str
    rule: str
    count: int
    """Lines, marks inside lines, or passages."""
    bytes: int


@dataclass(frozen=True)
class Cluster:
    """The near-duplicates that a document belongs to."""

    id: str
    size: int
    documents: tuple[str, ...]
    """The first of the others."""


@dataclass(frozen=True)
class Explanation:
    """The fate of one document with the measured values."""

    id: str
    source: str
    fate: str
    """'train', 'validation' or 'dropped'."""
    checks: tuple[Check, ...]
    """For a kept document every rule; for a dropped one the rule that it broke."""
    copies: tuple[str, ...]
    """Documents dropped as repeating this one, the first of them."""
    redactions: dict[str, int]
    """Number of placeholders in the text by kind."""
    note: str
    meta: str | None = None
    excerpt: str | None = None
    edits: tuple[Edited, ...] = ()
    """What was taken out of it, if it is kept."""
    reasons: dict[str, tuple[Reason, ...]] = field(default_factory=dict)
    """Rule set with a classifier -> what in the text speaks for each side; of a dropped document in the excerpt."""
    cluster: Cluster | None = None
    perplexity: float | None = None
    """As it was when documents were divided, before redaction."""
    bucket: str | None = None
    """Head, middle or tail."""


def explain(folder: Path, document_id: str) -> Explanation:
    """Return why the document was kept or dropped by the curation in `folder`; DataError names the nearest ids if it is unknown."""
    documents = Documents.open(folder)
    config = CurateConfig.parse(documents.manifest.config, str(folder / "manifest.json"))
    splits: tuple[Split, ...] = ("train", "validation")
    for split in splits:
        row = find_row(folder / SPLIT_FOLDERS[split], document_id)
        if row is not None:
            return _kept(documents, config, split, row)
    row = find_row(folder / "dropped", document_id)
    if row is not None:
        return _dropped(documents, config, row)
    raise DataError(f"{folder}: no document '{document_id}'; {_nearest(folder, document_id)}")


def render(explanation: Explanation) -> Group:
    """Return the explanation as a table for a terminal, one line a rule."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "stage", "rule", "value", "", "threshold"):
        table.add_column(column, justify="right" if column in ("value", "threshold") else "left", no_wrap=True, overflow="ignore")
    for check in explanation.checks:
        mark = Text("pass", "green") if check.passed else Text("fail", "red")
        bound = check.bound.replace("_", " ")
        table.add_row(mark, check.stage, check.rule, _figure(check.value), bound, _figure(check.threshold))
    head = Text.assemble((explanation.id, "bold"), f" ({explanation.source}): {explanation.fate}")
    return Group(head, table, *map(Text, _more(explanation)), Text(explanation.note))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _more(explanation: Explanation) -> list[str]:
    """Return what the table has no place for, a line each."""
    cluster = explanation.cluster
    divided = [f"perplexity {explanation.perplexity:,.1f}: {explanation.bucket}"] if explanation.perplexity is not None else []
    lines = divided + [
        f"'{check.rule}' of '{check.stage}' compares it with {check.twin_id}" for check in explanation.checks if check.twin_id
    ]
    lines += [_said_of(name, found) for name, found in explanation.reasons.items() if found]
    lines += [f"'{edit.rule}' of '{edit.stage}' took out {edit.count:,} ({edit.bytes:,} bytes)" for edit in explanation.edits]
    if cluster is not None:
        others = ", ".join(cluster.documents[:_NUM_SAID]) + (", ..." if cluster.size - 1 > _NUM_SAID else "")
        lines.append(f"one of {cluster.size:,} documents that are nearly equal, or linked by such: {others}")
    if explanation.copies:
        more = ", ..." if len(explanation.copies) > _NUM_SAID else ""
        lines.append(f"dropped as repeating it: {', '.join(explanation.copies[:_NUM_SAID])}{more}")
    return lines


def _said_of(rule_set: str, found: tuple[Reason, ...]) -> str:
    return f"what speaks to '{rule_set}': {', '.join(f'{one.feature} {one.effect:+.2f}' for one in found)}"


def _copies(documents: Documents, document_id: str) -> tuple[str, ...]:
    rows = find_rows(documents.path / "dropped", "twin_id", document_id)
    return tuple(row["id"] for row in itertools.islice((row for row in rows if row["stage"] in _REPEATS), NUM_SHOWN))


def _cluster(documents: Documents, document_id: str) -> Cluster | None:
    row = find_row(documents.path / "clusters", document_id)
    if row is None:
        return None
    others: list[str] = []
    size = 0
    for found in find_rows(documents.path / "clusters", "cluster_id", row["cluster_id"]):
        size += 1
        if found["id"] != document_id and len(others) < NUM_SHOWN:
            others.append(found["id"])
    return Cluster(row["cluster_id"], size, tuple(others))


def _edits(documents: Documents, document_id: str) -> tuple[Edited, ...]:
    rows = find_rows(documents.path / "edits", "id", document_id)
    return tuple(Edited(row["stage"], row["rule"], row["count"], row["bytes"]) for row in rows)


def _kept(documents: Documents, config: CurateConfig, split: Split, row: dict[str, Any]) -> Explanation:
    checks = _language_checks(config, row["text"]) + _rule_checks(config, row["text"])
    checks += _benchmark_checks(config, row["text"])
    if split == "train" and config.validation > 0:
        checks.append(_leakage_check(documents, config, row["text"]))
    edits = _edits(documents, row["id"])
    checks += _words_left_checks(config, edits, row["text"])
    return Explanation(
        id=row["id"],
        source=row["source"],
        fate=split,
        checks=tuple(checks),
        copies=_copies(documents, row["id"]),
        redactions=dict(Counter(found["kind"] for found in find_rows(documents.path / "redactions", "id", row["id"]))),
        note="values are measured again on the text as kept, after edits and redaction",
        meta=row["meta"],
        edits=edits,
        reasons=_reasons(config, row["text"]),
        cluster=_cluster(documents, row["id"]),
        perplexity=row.get("perplexity"),
        bucket=row.get("bucket"),
    )


def _benchmark_checks(config: CurateConfig, text: str) -> list[Check]:
    """Return which item of a benchmark the text has most of."""
    if not config.decontaminate.items:
        return []
    found = open_decontaminator(config.decontaminate.model_dump_json()).find([text])
    worst = max(found, key=lambda one: one.share, default=None)
    value, item_id = (worst.share, worst.item_id) if worst is not None else (0.0, None)
    threshold = config.decontaminate.min_share
    passes = value < threshold if threshold else value == 0
    return [Check("decontaminate", "benchmark_item", value, _below(threshold), threshold, passes, item_id)]


def _below(threshold: float) -> str:
    """Return the bound of a share of an item: one of 0 stands for any part of it."""
    return "below" if threshold else "at_most"


def _words_left_checks(config: CurateConfig, edits: tuple[Edited, ...], text: str) -> list[Check]:
    """Return how many words are left of a text that passages were taken out of; others are not asked."""
    if not any(edit.stage == "repeated_passages" for edit in edits):
        return []
    words, threshold = len(text.split()), config.repeated_passages.min_words
    return [Check("repeated_passages", "words_left", words, "at_least", threshold, words >= threshold)]


def _language_checks(config: CurateConfig, text: str) -> list[Check]:
    if not config.languages.keep:
        return []
    identifier = LanguageIdentifier(config.languages)
    (found,) = identifier.identify([text])
    passes = identifier.broken(found, text) is None
    return [Check("languages", "language_score", found.score, "at_least", config.languages.min_score, passes)]


def _rule_checks(config: CurateConfig, text: str) -> list[Check]:
    return [
        Check(found.rule_set, found.rule.name, found.value, found.rule.bound, found.rule.threshold, found.passes)
        for found in measure_all(text, chosen_sets(config))
    ]


def _reasons(config: CurateConfig, text: str, stage: str | None = None) -> dict[str, tuple[Reason, ...]]:
    """Return what classifiers go by in the text, those of all sets or of one."""
    asked = (rules for rules in chosen_sets(config) if stage in (None, rules.name))
    return {rules.name: reasons(rules.classifier, text) for rules in asked if rules.classifier is not None}


def _leakage_check(documents: Documents, config: CurateConfig, text: str) -> Check:
    held_out = [(document.id, document.text) for document in documents.read("validation")]
    overlap = LeakageIndex.of([name for name, _ in held_out], [text for _, text in held_out]).overlap(text)
    value = overlap.containment if overlap else 0.0
    twin_id = overlap.twin_id if overlap else None
    threshold = config.leakage_threshold
    return Check("leakage", "near_duplicate_of_validation", value, "below", threshold, value < threshold, twin_id)


def _dropped(documents: Documents, config: CurateConfig, row: dict[str, Any]) -> Explanation:
    bounds = {rule.name: rule.bound for asked in chosen_sets(config) if asked.name == row["stage"] for rule in asked.of_documents}
    if row["stage"] in ("collect", "languages"):
        bound = "at_most" if row["value"] > row["threshold"] else "at_least"
    elif row["stage"] == STAGE:
        bound = "below" if row["value"] >= row["threshold"] else "at_least"
    elif row["stage"] == "decontaminate":
        bound = _below(row["threshold"])
    elif row["stage"] in ("deduplicate", "near_duplicates", "leakage"):
        bound = "below"
    else:
        bound = str(bounds.get(row["rule"], "at_least"))
    check = Check(row["stage"], row["rule"], row["value"], bound, row["threshold"], False, row["twin_id"])
    return Explanation(
        id=row["id"],
        source=row["source"],
        fate="dropped",
        checks=(check,),
        copies=_copies(documents, row["id"]),
        redactions={},
        note=f"dropped at stage '{row['stage']}': {_why_near(row)}rules before this one were kept, later ones not asked",
        excerpt=row["excerpt"],
        reasons=_reasons(config, row["excerpt"], row["stage"]),
        cluster=_cluster(documents, row["id"]),
    )


def _why_near(row: dict[str, Any]) -> str:
    """Return in words what a document has in common with the one that it repeats."""
    if row["stage"] != "near_duplicates":
        return ""
    both = f"'{row['id']}' and '{row['twin_id']}'"
    return f"{both} share {row['value']:.1%} of the runs of five words that they have, and the latter stayed at this stage; "


def _nearest(folder: Path, document_id: str) -> str:
    """Return in words which ids are like the one that is not there."""
    close, example = nearest_ids([folder / name for name in (*SPLIT_FOLDERS.values(), "dropped")], document_id)
    return f"nearest: {', '.join(close)}" if close else f"ids look like '{example}'"
