"""Curate: raw text in; documents, a validation split, and a reason for everything dropped out."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import Split
from groundup.core.errors import DataError
from groundup.core.files import hash_file, hash_json, storage_errors, write_json
from groundup.core.log import say
from groundup.core.units import format_bytes
from groundup.curate.collect import collect
from groundup.curate.config import CurateConfig
from groundup.curate.droplog import DropLog
from groundup.curate.funnel import Funnel
from groundup.curate.privacy.redactor import Redactor
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.select import Selection
from groundup.curate.sources import SOURCES
from groundup.curate.sources.base import Source

LINEAGE = "sources.jsonl"
"""Every file that was read. Not in the content hash: a changed file whose kept text is the same changes nothing downstream."""
_SCRATCH = "scratch"
_LOW_YIELD = 0.5


def source_hashes(config: CurateConfig) -> dict[str, str]:
    """Return for each source one hash over the names and bytes of all files that it reads."""
    return {
        source.config.name: hash_json([(file.name, hash_file(file.path)) for file in source.files()])
        for source in _open_sources(config)
    }


def run(config: CurateConfig, job: Job) -> Outcome:
    """Write documents/, validation/, dropped/, redactions/, funnel.json, sources.json and sources.jsonl into `job.out`.

    Two passes over the text, with ids and hashes in memory and the text in a scratch table between them. The order of documents
    is that of the sources in the recipe, files by name, records as they lie. Raises DataError if a source holds no text or
    nothing is left to train on.
    """
    sources = _open_sources(config)
    funnel = Funnel(_stages(config))
    scratch = job.out / _SCRATCH
    redactor = Redactor(config.redact)
    with DropLog(job.out / "dropped", funnel, redactor) as drops:
        collected = collect(sources, config, funnel, drops, scratch)
        selection = Selection(config, funnel, drops, redactor, job.out)
        selection.write(scratch, collected, job.seed)
    with storage_errors(scratch):
        shutil.rmtree(scratch)
    funnel.check_flow()
    counts = _counts(funnel, selection)
    if not counts["documents"]:
        raise DataError(_nothing_left(funnel))
    _warn_of_loss(funnel)
    by_source = [_source_facts(source, selection, drops) for source in sources]
    write_json(job.out / "funnel.json", {**funnel.to_json(), "by_source": by_source})
    write_json(job.out / "sources.json", by_source)
    _write_lineage(job.out / LINEAGE, sources)
    return Outcome(counts, volatile=frozenset({LINEAGE}))


def _open_sources(config: CurateConfig) -> list[Source]:
    return [SOURCES[source.kind](source) for source in config.sources]


def _stages(config: CurateConfig) -> list[str]:
    """Return the names of the stages that are on, in order (that of Rae et al. 2021, A1.1, filters before copies)."""
    rules = [rule_set.name for rule_set in chosen_sets(config)]
    optional = {"deduplicate": config.deduplicate, "redact": config.redact.is_on, "leakage": config.validation > 0}
    return ["collect", *["normalise"] * config.normalise, *rules, *(name for name, is_on in optional.items() if is_on)]


def _counts(funnel: Funnel, selection: Selection) -> dict[str, int]:
    def total(counter: Any, split: Split) -> int:
        return sum(number for (name, _), number in counter.items() if name == split)

    counts = {
        "collected": next(iter(funnel.stages.values())).docs_in,
        "documents": total(selection.num_documents, "train"),
        "validation_documents": total(selection.num_documents, "validation"),
        "dropped": funnel.total_dropped(),
        "bytes": total(selection.num_bytes, "train"),
        "validation_bytes": total(selection.num_bytes, "validation"),
        "redactions": selection.num_redactions,
    }
    found = counts["documents"] + counts["validation_documents"] + counts["dropped"]
    assert found == counts["collected"], f"{counts['collected']} documents collected, {found} accounted for"
    return counts


def _nothing_left(funnel: Funnel) -> str:
    stage, rule, number = funnel.worst_rule()
    collected = next(iter(funnel.stages.values())).docs_in
    return (
        f"nothing is left to train on of {collected:,} documents: rule '{rule}' of stage '{stage}' dropped most ({number:,}); "
        f"give more text, or choose other curate.rules, curate.validation or curate.leakage_threshold"
    )


def _warn_of_loss(funnel: Funnel) -> None:
    """Say it if most of the text is gone: thresholds made for web pages may not suit other text."""
    kept = funnel.byte_yield()
    if kept < _LOW_YIELD:
        rule, lost = funnel.costliest_rule()
        say(
            f"curate kept only {kept:.0%} of the bytes; rule '{rule}' dropped most ({format_bytes(lost)}). "
            f"curate.rules chooses the rule sets; funnel.json has all figures",
            style="yellow",
        )


def _source_facts(source: Source, selection: Selection, drops: DropLog) -> dict[str, Any]:
    config = source.config
    return {
        "name": config.name,
        "kind": config.kind,
        "weight": config.weight,
        "licence": config.licence,
        "documents": selection.num_documents["train", config.name],
        "bytes": selection.num_bytes["train", config.name],
        "validation_documents": selection.num_documents["validation", config.name],
        "validation_bytes": selection.num_bytes["validation", config.name],
        "dropped": drops.by_source[config.name],
    }


def _write_lineage(path: Path, sources: Sequence[Source]) -> None:
    """Write one line a source file: what it was when it was read."""
    with storage_errors(path), path.open("w", encoding="utf-8") as lines:
        for source in sources:
            for file in source.files():
                entry = {
                    "source": source.config.name,
                    "file": file.name,
                    "sha256": hash_file(file.path),
                    "bytes": file.path.stat().st_size,
                }
                lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
