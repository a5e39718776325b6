"""The data card: what a text corpus is, where it comes from, what was taken out and why, for whoever meets it first."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from groundup.core.markdown import cell
from groundup.core.units import format_bytes
from groundup.curate.config import CurateConfig
from groundup.curate.ledger.alarms import Alarm
from groundup.curate.ledger.buckets import bucket_facts
from groundup.curate.ledger.tallies import Tally, summed
from groundup.curate.ledger.words import STAGES, of_rule, rules_of
from groundup.curate.passes.finish import Totals
from groundup.curate.rules.chosen import chosen_sets

TEMPLATE = Path(__file__).with_name("data_card.md.jinja")
DENOMINATOR = "all records that the sources gave; bytes are of text in UTF-8"


def card_facts(config: CurateConfig, found: Totals, clusters: dict[str, Any], alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Return the card as JSON values."""
    flows = list(found.funnel.stages.values())
    tally = summed(list(found.by_source.values()))
    documents, size = (tally.get("documents", 0), tally.get("documents_bytes", 0))
    held_out = {"documents": tally.get("validation", 0), "bytes": tally.get("validation_bytes", 0)}
    return {
        "collected": {"documents": flows[0].docs_in, "bytes": flows[0].bytes_in},
        "denominator": DENOMINATOR,
        "training": {"documents": documents, "bytes": size},
        "validation": {**held_out, "asked_share": config.validation, "leakage_threshold": config.leakage_threshold},
        "sources": [_source(config, found, position, size) for position in range(len(config.sources))],
        "languages": dict(sorted(tally.get("languages", {}).items(), key=lambda item: (-item[1]["bytes"], item[0]))),
        "languages_measured": config.languages.is_on,
        "removed": _removed(config, found),
        "perplexity": bucket_facts(config, found),
        "duplicates": _duplicates(config, found, clusters),
        "redactions": _redactions(config, tally),
        "groups": _groups(found) if config.groups.enabled else None,
        "rule_sets": [
            {
                "name": rules.name,
                "version": rules.version,
                "source": rules.source,
                "rules": len(rules.of_documents) + len(rules.lines),
            }
            for rules in chosen_sets(config)
        ],
        "alarms": [asdict(alarm) for alarm in alarms],
    }


def _source(config: CurateConfig, found: Totals, position: int, training_bytes: int) -> dict[str, Any]:
    source = config.sources[position]
    counts, flows = found.by_source[source.name], list(found.funnels[source.name].stages.values())
    size = counts.get("documents_bytes", 0)
    return {
        "name": source.name,
        "kind": source.kind,
        "format": source.format if source.kind == "files" else None,
        "path_kind": _path_kind(source.path) if source.path is not None else None,
        "text_field": source.text_field if source.kind in ("files", "hf") else None,
        "section_chars": source.section_chars,
        "licence": source.licence,
        "weight": source.weight,
        "collected_documents": flows[0].docs_in,
        "collected_bytes": flows[0].bytes_in,
        "documents": counts.get("documents", 0),
        "bytes": size,
        "share": size / max(training_bytes, 1),
        "validation_documents": counts.get("validation", 0),
        "validation_bytes": counts.get("validation_bytes", 0),
    }


def _path_kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _removed(config: CurateConfig, found: Totals) -> list[dict[str, Any]]:
    """Return for each stage that took something out how much, why, and by which of its rules."""
    known = rules_of(config)
    why = STAGES | {rules.name: f"broke a rule of quality ({rules.source})" for rules in chosen_sets(config)}
    return [
        {
            "stage": stage,
            "why": why.get(stage, stage),
            "documents": flow.docs_in - flow.docs_out,
            "bytes": flow.bytes_in - flow.bytes_out,
            "of_documents": flow.docs_in,
            "of_bytes": flow.bytes_in,
            "by_rule": [
                {"rule": rule, "words": of_rule(known, stage, rule).words, "documents": number, "bytes": flow.bytes_by_rule[rule]}
                for rule, number in sorted(flow.by_rule.items(), key=lambda item: (-item[1], item[0]))
            ],
        }
        for stage, flow in found.funnel.stages.items()
        if flow.docs_in != flow.docs_out or flow.bytes_in != flow.bytes_out
    ]


def _duplicates(config: CurateConfig, found: Totals, clusters: dict[str, Any]) -> dict[str, Any]:
    stages = found.funnel.stages
    near = config.near_duplicates
    return {
        "exact": stages["deduplicate"].by_rule.total() if config.deduplicate else None,
        "near": stages["near_duplicates"].by_rule.total() if near.enabled else None,
        "near_threshold": near.threshold if near.enabled else None,
        "clusters": clusters["clusters"],
        "clustered_documents": clusters["documents"],
    }


def _redactions(config: CurateConfig, tally: Tally) -> dict[str, Any]:
    kinds = tally.get("redactions_by_kind", {})
    return {
        "kinds": list(config.redact.kinds),
        "found": {kind: kinds[kind] for kind in sorted(kinds, key=lambda kind: (-kinds[kind]["places"], kind))},
    }


def _groups(found: Totals) -> list[dict[str, Any]]:
    """Return for each group that is named how many documents came and are left, and the stage that differs most."""
    named = []
    for one in found.groups:
        if one.before:
            compared = [stage for stage in one.stages if stage.difference is not None]
            worst = max(compared, key=lambda stage: abs(stage.difference.value) if stage.difference else 0.0, default=None)
            named.append(
                {
                    "group": one.group,
                    "documents_before": one.before,
                    "documents_after": one.after,
                    **{key: value for key, value in one.whole.to_json().items() if key.startswith("share") or key == "difference"},
                    "most_by": {"stage": worst.stage, "share": worst.share, "share_of_others": worst.share_of_others}
                    if worst is not None
                    else None,
                }
            )
    return named


def render_card(facts: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701  Markdown
    environment.filters.update(
        size=format_bytes,
        cell=cell,
        comma=lambda value: f"{value:,}",
        share=lambda part, whole: f"{part / whole:.1%}" if whole else "0.0%",
        percent=lambda value: f"{100 * value:.3g}%",
        points=lambda value: f"{100 * value:+.1f}",
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return f"{template.render(card=facts).strip()}\n"
