"""Score a curated folder against the truth that was planted in its input.

    groundup curate --input DIR/corpus --out OUT [--set 'curate.decontaminate.items=[{path: DIR/items.jsonl}]']
    python benchmarks/curate/score.py DIR OUT [--json FILE]

Reads documents/, validation/, dropped/, funnel.json and manifest.json of OUT and the files that corpus.py wrote into DIR. Every
similarity is computed here from the texts of the corpus, exactly, and as they were compared: where rule sets edit lines (c4-jmlr,
refinedweb), from what these leave of both texts. Tables: where every document went; clean prose lost, by rule; low quality
dropped, by kind; near-duplicates found, by band of similarity; how like its twin each document is that was dropped as a
near-duplicate; foreign text; personal data left, and decoys hit; benchmark items left; held-out text left in training.
"""

import argparse
import bisect
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from shingles import Shingles, containment, jaccard, shingles

from groundup.artifacts.manifest import read_manifest
from groundup.curate.config import CurateConfig
from groundup.curate.normalise import normalise
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.judge import Judge

EXACT_KINDS = ("exact_copy", "respaced_copy")
COPY_KINDS = (*EXACT_KINDS, "near_duplicate", "header_added")
BANDS = (0.25, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
LOWEST_CONFIRMED = 0.7
"""A document dropped as a near-duplicate must be at least so like its twin."""
LEAK = 0.5
"""Training text must share less than this part of its shingles, or of the other's, with held-out text."""
DUPLICATE_STAGES = ("deduplicate", "near_duplicates", "sentences", "substrings")
LEAKAGE_STAGES = ("leakage",)
DECONTAMINATION_STAGES = ("decontaminate", "decontamination")
Table = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Drop:
    """One row of the dropped table."""

    stage: str
    rule: str
    value: float
    twin_id: str | None


class Result:
    """The planted truth beside what became of it."""

    def __init__(self, planted: Path, curated: Path) -> None:
        self.planted, self.curated = planted, curated
        self.truth: dict[str, dict[str, Any]] = {row["id"]: row for row in _json_lines(planted / "truth.jsonl")}
        self.drops = {
            row["id"]: Drop(row["stage"], row["rule"], row["value"], row["twin_id"])
            for row in _rows(curated / "dropped", ["id", "stage", "rule", "value", "twin_id"])
        }
        self.train = {row["id"] for row in _rows(curated / "documents", ["id"])}
        self.held_out = {row["id"] for row in _rows(curated / "validation", ["id"])}
        self.funnel = json.loads((curated / "funnel.json").read_text())
        config = CurateConfig.parse(read_manifest(curated).config, str(curated))
        self._judge = Judge(chosen_sets(config))
        self.edits_lines = any(rules.lines for rules in self._judge.rule_sets)

    def fate(self, document_id: str) -> str:
        """Return 'train', 'validation', the kind of stage that dropped it, or 'lost'."""
        if document_id in self.train:
            return "train"
        if document_id in self.held_out:
            return "validation"
        drop = self.drops.get(document_id)
        if drop is None:
            return "lost"
        for name, stages in (
            ("duplicate", DUPLICATE_STAGES),
            ("leakage", LEAKAGE_STAGES),
            ("decontamination", DECONTAMINATION_STAGES),
        ):
            if drop.stage.startswith(stages):
                return name
        return "rules"

    def of_kind(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """Yield the truth of documents of these kinds."""
        return (row for row in self.truth.values() if row["kind"] in kinds)

    def kept_as(self, document_id: str) -> str:
        """Return the document that stands for this one after copies were dropped: the end of the chain of recorded twins."""
        passed = {document_id}
        while self.fate(document_id) == "duplicate" and (twin := self.drops[document_id].twin_id) and twin not in passed:
            passed.add(twin)
            document_id = twin
        return document_id

    @cached_property
    def near_drops(self) -> dict[str, str]:
        """Documents dropped for a twin that is not their exact copy -> the twin."""
        return {
            document_id: drop.twin_id
            for document_id, drop in self.drops.items()
            if drop.twin_id and self.fate(document_id) == "duplicate" and "exact" not in drop.rule and "exact" not in drop.stage
        }

    def compared(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of these documents as they were compared: without the lines that rules took out."""
        found = self.texts(ids)
        if not self.edits_lines:
            return found
        verdicts = self._judge.judge([normalise(text) for text in found.values()])
        return dict(zip(found, (verdict.text for verdict in verdicts), strict=True))

    def pairs(self, kinds: Iterable[str]) -> Iterator[tuple[dict[str, Any], float, float]]:
        """Yield the truth of documents made from another one with their Jaccard similarity to it and containment, as compared."""
        rows = [row for row in self.of_kind(*kinds) if row["twin"]]
        if not self.edits_lines:  # of an edited copy the containment is not known, and no less than the similarity
            yield from ((row, row["jaccard"], row["containment"] or row["jaccard"]) for row in rows)
            return
        found = self.compared([name for row in rows for name in (row["id"], row["twin"])])
        for row in rows:
            one, other = shingles(found[row["id"]]), shingles(found[row["twin"]])
            yield row, jaccard(one, other), containment(one, other)

    def texts(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of these documents as they stood in the corpus."""
        wanted = set(ids)
        found: dict[str, str] = {}
        for file in sorted((self.planted / "corpus").iterdir()):
            for row in _json_lines(file):
                if row["id"] in wanted:
                    found[row["id"]] = row["text"]
        return found

    def kept_texts(self, *folders: str) -> Iterator[tuple[str, str]]:
        """Yield (id, text) of what was kept, as it was written."""
        for folder in folders:
            for row in _rows(self.curated / folder, ["id", "text"]):
                yield row["id"], row["text"]


def flow(result: Result) -> Table:
    """Count where the documents of each kind went; 'lost' must be zero."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in result.truth.values():
        counts[row["kind"]][result.fate(row["id"])] += 1
    total = Counter[str]()
    for counter in counts.values():
        total += counter
    return {kind: {"documents": counter.total(), **counter} for kind, counter in [*sorted(counts.items()), ("all", total)]}


def clean_lost(result: Result) -> Table:
    """Count clean prose that a rule dropped, by rule and by where the prose is from."""
    origins = Counter(row["origin"] for row in result.of_kind("clean"))
    lost: dict[str, Counter[str]] = defaultdict(Counter)
    for row in result.of_kind("clean"):
        if result.fate(row["id"]) == "rules":
            drop = result.drops[row["id"]]
            lost[f"{drop.stage}/{drop.rule}"][row["origin"]] += 1
    whole = sum(lost.values(), Counter[str]())
    rows = [("all rules", whole), *sorted(lost.items(), key=lambda item: -item[1].total())]
    return {
        rule: {
            "documents": counter.total(),
            "share": counter.total() / origins.total(),
            **{f"of {origin}": counter[origin] / number for origin, number in sorted(origins.items())},
        }
        for rule, counter in rows
    }


def low_quality(result: Result) -> Table:
    """Count low quality of each kind that was dropped, and by which rules; `asked` if a set that forbids it was on."""
    stages = {stage["stage"] for stage in result.funnel["stages"]}
    rows: Table = {}
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for row in result.of_kind("low_quality"):
        entry = rows.setdefault(
            row["how"], {"documents": 0, "dropped": 0, "asked": bool(stages & {rule.split("/")[0] for rule in row["breaks"]})}
        )
        entry["documents"] += 1
        drop = result.drops.get(row["id"])
        entry["dropped"] += drop is not None
        by_rule[row["how"]][f"{drop.stage}/{drop.rule}" if drop else "kept"] += 1
    for how, entry in rows.items():
        entry["share"] = entry["dropped"] / entry["documents"]
        entry["by"] = ", ".join(f"{rule} {number}" for rule, number in by_rule[how].most_common(3))
    return dict(sorted(rows.items()))


def near_duplicates(result: Result) -> Table:
    """Find recall by band of Jaccard similarity: of pairs that nothing else broke up, how many have one document left of both.

    `ruled_out`: a rule dropped one of them. `other_twin`: one of them went for a third document, which the other is not near to.
    """
    rows: Table = {}
    for row, similarity, _ in result.pairs(COPY_KINDS):
        band = row["kind"] if row["kind"] in EXACT_KINDS and not result.edits_lines else _band(similarity)
        entry = rows.setdefault(band, {"pairs": 0, "found": 0, "ruled_out": 0, "other_twin": 0})
        pair = (row["id"], row["twin"])
        fates = {result.fate(name) for name in pair}
        is_found = len({result.kept_as(name) for name in pair}) == 1
        if fates & {"rules", "decontamination"}:
            entry["ruled_out"] += 1
        elif "duplicate" in fates and not is_found:
            entry["other_twin"] += 1
        else:
            entry["pairs"] += 1
            entry["found"] += is_found
    for entry in rows.values():
        entry["recall"] = entry["found"] / entry["pairs"] if entry["pairs"] else None
    return dict(sorted(rows.items()))


def confirmed(result: Result) -> Table:
    """Compute how like its recorded twin each document is that was dropped as a near-duplicate, and if it was planted so."""
    pairs = result.near_drops
    texts = result.compared([*pairs, *pairs.values()])
    rows: Table = {}
    below = 0
    for document_id, twin in pairs.items():
        similarity = jaccard(shingles(texts[document_id]), shingles(texts[twin]))
        family = {result.truth[document_id]["twin"] or document_id, result.truth[twin]["twin"] or twin}
        entry = rows.setdefault(_band(similarity), {"documents": 0, "planted": 0})
        entry["documents"] += 1
        entry["planted"] += len(family) == 1
        below += similarity < LOWEST_CONFIRMED
    return {**dict(sorted(rows.items())), f"below {LOWEST_CONFIRMED}": {"documents": below}}


def foreign(result: Result) -> Table:
    """Count foreign text that was dropped, and by what."""
    rows: Table = {}
    for row in result.of_kind("foreign"):
        entry = rows.setdefault(row["language"], {"documents": 0, "dropped": 0, "by_language": 0})
        drop = result.drops.get(row["id"])
        entry["documents"] += 1
        entry["dropped"] += drop is not None
        entry["by_language"] += drop is not None and drop.stage == "languages"
    return dict(sorted(rows.items()))


def personal(result: Result) -> Table:
    """Count planted values that are gone from the kept text, and decoys that are."""
    rows: Table = {}
    values = {row["id"]: row["values"] for row in result.of_kind("personal")}
    for document_id, text in result.kept_texts("documents", "validation"):
        for value in values.get(document_id, ()):
            entry = rows.setdefault(f"{'decoy ' if value['decoy'] else ''}{value['kind']}", {"values": 0, "redacted": 0})
            entry["values"] += 1
            entry["redacted"] += value["value"] not in text
    for entry in rows.values():
        entry["share"] = entry["redacted"] / entry["values"]
    return dict(sorted(rows.items()))


def contaminated(result: Result) -> Table:
    """Count documents with benchmark items that decontamination took out, by how the item stands in them; and false hits."""
    rows: Table = {}
    for row in result.truth.values():
        is_out = result.fate(row["id"]) == "decontamination"
        if row["item"] or is_out:
            entry = rows.setdefault(row["how"] if row["item"] else "no item in it", {"documents": 0, "taken_out": 0, "kept": 0})
            entry["documents"] += 1
            entry["taken_out"] += is_out
            entry["kept"] += result.fate(row["id"]) in ("train", "validation")
    return dict(sorted(rows.items()))


def leaks(result: Result) -> Table:
    """Compare all training text with all held-out text, exactly: how much is shared, and which planted pairs are left."""
    held_out = {document_id: shingles(text) for document_id, text in result.kept_texts("validation")}
    owners: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for document_id, found in held_out.items():
        for shingle in found:
            owners[shingle].append(document_id)
    left, most = 0, 0.0
    for _, text in result.kept_texts("documents"):
        share = _largest_share(shingles(text), owners, held_out)
        left += share >= LEAK
        most = max(most, share)
    pairs = [found for found in result.pairs((*COPY_KINDS, "quotation")) if result.held_out & {found[0]["id"], found[0]["twin"]}]
    too_near = [row for row, _, shared in pairs if shared >= LEAK]
    planted_left = sum(bool(result.train & {row["id"], row["twin"]}) for row in too_near)
    return {
        "held out": {"documents": len(held_out)},
        "training documents with a share of 0.5 or more": {"documents": left, "largest_share": most},
        "planted pairs with one side held out": {"documents": len(pairs)},
        "of these with a share of 0.5 or more": {"documents": len(too_near), "left": planted_left},
    }


def _largest_share(own: Shingles, owners: dict[tuple[str, ...], list[str]], held_out: dict[str, Shingles]) -> float:
    near = {owner for shingle in own if shingle in owners for owner in owners[shingle]}
    return max((containment(own, held_out[owner]) for owner in near), default=0.0)


PARTS = {
    "where documents went": flow,
    "clean prose lost": clean_lost,
    "low quality dropped": low_quality,
    "near-duplicates found": near_duplicates,
    "dropped for a near twin, by similarity": confirmed,
    "foreign text": foreign,
    "personal data": personal,
    "benchmark items": contaminated,
    "held-out text in training": leaks,
}


def score(planted: Path, curated: Path) -> dict[str, Table]:
    """Return all tables."""
    result = Result(planted, curated)
    return {name: part(result) for name, part in PARTS.items()}


def print_tables(tables: dict[str, Table]) -> None:
    """Print each as a table of Markdown."""
    for name, table in tables.items():
        columns = list(dict.fromkeys(column for row in table.values() for column in row))
        print(f"\n| {name} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
        for label, row in table.items():
            print(f"| {label} | {' | '.join(_cell(row.get(column, 0)) for column in columns)} |")


def _cell(value: object) -> str:
    return (
        f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if type(value) is int else "-" if value is None else str(value)
    )


def _band(similarity: float) -> str:
    if similarity >= BANDS[-1]:
        return "1.00"
    at = bisect.bisect_right(BANDS, similarity)
    return f"{BANDS[at - 1] if at else 0:.2f}-{BANDS[at]:.2f}"


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _rows(folder: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=1024, columns=columns):
                yield from batch.to_pylist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("planted", type=Path, metavar="DIR", help="what corpus.py made")
    parser.add_argument("curated", type=Path, metavar="OUT", help="what `groundup curate` made of DIR/corpus")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    given = parser.parse_args()
    tables = score(given.planted, given.curated)
    print_tables(tables)
    if given.json:
        given.json.write_text(json.dumps(tables, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
