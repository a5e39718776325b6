"""Why a document was kept or dropped."""

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Group
from rich.table import Table
from rich.text import Text

from groundup.artifacts.documents import SPLIT_FOLDERS, Documents, Split
from groundup.artifacts.parquet import parquet_errors
from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig
from groundup.curate.leakage import LeakageIndex
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import measure_all

_NUM_NEAREST = 5


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
class Explanation:
    """The fate of one document with the measured values."""

    id: str
    source: str
    fate: str
    """'train', 'validation' or 'dropped'."""
    checks: tuple[Check, ...]
    """For a kept document every rule; for a dropped one the rule that it broke."""
    copies: tuple[str, ...]
    """Documents dropped as repeating this one."""
    redactions: dict[str, int]
    """Number of placeholders in the text by kind."""
    note: str
    meta: str | None = None
    excerpt: str | None = None


def explain(folder: Path, document_id: str) -> Explanation:
    """Return why the document was kept or dropped by the curation in `folder`; DataError names the nearest ids if it is unknown."""
    documents = Documents.open(folder)
    config = CurateConfig.parse(documents.manifest.config, str(folder / "manifest.json"))
    copies = tuple(_column(folder / "dropped", "id", [("twin_id", "=", document_id)]))
    splits: tuple[Split, ...] = ("train", "validation")
    for split in splits:
        rows = _rows(folder / SPLIT_FOLDERS[split], document_id)
        if rows:
            return _kept(documents, config, split, rows[0], copies)
    rows = _rows(folder / "dropped", document_id)
    if rows:
        return _dropped(config, rows[0], copies)
    raise DataError(f"{folder}: no document '{document_id}'; {_nearest(folder, document_id)}")


def render(explanation: Explanation) -> Group:
    """Return the explanation as a table for a terminal, one line a rule."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "stage", "rule", "value", "", "threshold", "twin"):
        table.add_column(column, justify="right" if column in ("value", "threshold") else "left")
    for check in explanation.checks:
        mark = Text("pass", "green") if check.passed else Text("fail", "red")
        bound = check.bound.replace("_", " ")
        values = (f"{check.value:.4g}", bound, f"{check.threshold:.4g}")
        table.add_row(mark, check.stage, check.rule, *values, check.twin_id or "")
    head = Text.assemble((explanation.id, "bold"), f" ({explanation.source}): {explanation.fate}")
    return Group(head, table, Text(explanation.note))


def _kept(documents: Documents, config: CurateConfig, split: Split, row: dict[str, Any], copies: tuple[str, ...]) -> Explanation:
    checks = _rule_checks(config, row["text"])
    if split == "train" and config.validation > 0:
        checks.append(_leakage_check(documents, config, row["text"]))
    return Explanation(
        id=row["id"],
        source=row["source"],
        fate=split,
        checks=tuple(checks),
        copies=copies,
        redactions=dict(Counter(_column(documents.path / "redactions", "kind", [("id", "=", row["id"])]))),
        note="values are measured again on the text as kept, after redaction",
        meta=row["meta"],
    )


def _rule_checks(config: CurateConfig, text: str) -> list[Check]:
    return [
        Check(found.rule_set, found.rule.name, found.value, found.rule.bound, found.rule.threshold, found.passes)
        for found in measure_all(text, chosen_sets(config))
    ]


def _leakage_check(documents: Documents, config: CurateConfig, text: str) -> Check:
    held_out = [(document.id, document.text) for document in documents.read("validation")]
    overlap = LeakageIndex.of([name for name, _ in held_out], [text for _, text in held_out]).overlap(text)
    value = overlap.containment if overlap else 0.0
    twin_id = overlap.twin_id if overlap else None
    threshold = config.leakage_threshold
    return Check("leakage", "near_duplicate_of_validation", value, "below", threshold, value < threshold, twin_id)


def _dropped(config: CurateConfig, row: dict[str, Any], copies: tuple[str, ...]) -> Explanation:
    bounds = {rule.name: rule.bound for asked in chosen_sets(config) if asked.name == row["stage"] for rule in asked.of_documents}
    if row["stage"] == "collect":
        bound = "at_most" if row["value"] > row["threshold"] else "at_least"
    elif row["stage"] == "decontaminate" and not row["threshold"]:
        bound = "at_most"
    elif row["stage"] in ("decontaminate", "deduplicate", "near_duplicates", "leakage"):
        bound = "below"
    else:
        bound = str(bounds.get(row["rule"], "at_least"))
    check = Check(row["stage"], row["rule"], row["value"], bound, row["threshold"], False, row["twin_id"])
    return Explanation(
        id=row["id"],
        source=row["source"],
        fate="dropped",
        checks=(check,),
        copies=copies,
        redactions={},
        note=f"dropped at stage '{row['stage']}': rules before this one were kept, later ones not asked",
        excerpt=row["excerpt"],
    )


def _rows(folder: Path, document_id: str) -> list[dict[str, Any]]:
    with parquet_errors(folder):
        rows: list[dict[str, Any]] = pq.read_table(folder, filters=[("id", "=", document_id)]).to_pylist()
    return rows


def _column(folder: Path, name: str, filters: list[tuple[str, str, str]] | None = None) -> list[str]:
    with parquet_errors(folder):
        table: pa.Table = pq.read_table(folder, columns=[name], filters=filters)
    values: list[str] = table[name].to_pylist()
    return values


def _nearest(folder: Path, document_id: str) -> str:
    ids = [found for name in (*SPLIT_FOLDERS.values(), "dropped") for found in _column(folder / name, "id")]
    wanted = document_id.casefold()
    close = [known for known in ids if wanted in known.casefold()][:_NUM_NEAREST]
    close += difflib.get_close_matches(document_id, ids, n=_NUM_NEAREST, cutoff=0.4) if not close else []
    return f"nearest: {', '.join(close)}" if close else f"ids look like '{ids[0]}'"
