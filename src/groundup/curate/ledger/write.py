"""The files that tell what a curation did: funnel, sources, drops, histograms, clusters, data card."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundup.artifacts.documents import DATA_CARD, DATA_CARD_TEXT, FUNNEL
from groundup.core.files import read_object, write_json, write_text
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.ledger.alarms import Alarm
from groundup.curate.ledger.buckets import bucket_facts
from groundup.curate.ledger.card import card_facts, render_card
from groundup.curate.ledger.shares import EDGES
from groundup.curate.ledger.tallies import summed
from groundup.curate.ledger.words import of_rule, rules_of
from groundup.curate.passes.finish import Totals
from groundup.curate.passes.work import Work
from groundup.curate.perplexity.buckets import STAGE, all_cuts

SOURCES, LEDGER, HISTOGRAMS, CLUSTERS, GROUPS = (
    f"{name}.json" for name in ("sources", "ledger", "histograms", "clusters", "groups")
)


def write_ledger(out: Path, work: Work, found: Totals, alarms: Sequence[Alarm]) -> None:
    """Write all of them into the artifact."""
    config = work.config
    clusters = read_object(work.scratch / "clusters.json")
    similarities = clusters.pop("similarities")
    sources = [_source_facts(source, found) for source in config.sources]
    told = [asdict(alarm) for alarm in alarms]
    write_json(out / FUNNEL, {**found.funnel.to_json(), "by_source": sources, "alarms": told})
    write_json(out / SOURCES, sources)
    ledger = {"drops": _drops(config, found), "edits": _edits(config, found), "buckets": bucket_facts(config, found)}
    write_json(out / LEDGER, ledger)
    write_json(out / HISTOGRAMS, {"histograms": _histograms(config, found, similarities)})
    write_json(out / CLUSTERS, clusters)
    if config.groups.enabled:
        write_json(out / GROUPS, {"groups": [one.to_json() for one in found.groups]})
    card = card_facts(config, found, clusters, alarms)
    write_json(out / DATA_CARD, card)
    write_text(out / DATA_CARD_TEXT, render_card(card))


def _source_facts(config: SourceConfig, found: Totals) -> dict[str, Any]:
    counts, first = found.by_source[config.name], next(iter(found.funnels[config.name].stages.values()))
    return {
        "name": config.name,
        "kind": config.kind,
        "weight": config.weight,
        "licence": config.licence,
        "collected": first.docs_in,
        "collected_bytes": first.bytes_in,
        "documents": counts.get("documents", 0),
        "bytes": counts.get("documents_bytes", 0),
        "validation_documents": counts.get("validation", 0),
        "validation_bytes": counts.get("validation_bytes", 0),
        "dropped": counts.get("dropped", 0),
    }


def _drops(config: CurateConfig, found: Totals) -> list[dict[str, Any]]:
    """Return for each rule that dropped something how much, of which source, and a few of the documents."""
    known = rules_of(config)
    return [
        {
            "stage": stage,
            "rule": rule,
            **asdict(of_rule(known, stage, rule)),
            "documents": number,
            "bytes": flow.bytes_by_rule[rule],
            "of": flow.docs_in,
            "by_source": {
                source: dropped for source, funnel in found.funnels.items() if (dropped := funnel.stages[stage].by_rule[rule])
            },
            "examples": found.examples.of(stage, rule),
        }
        for stage, flow in found.funnel.stages.items()
        for rule, number in sorted(flow.by_rule.items(), key=lambda item: (-item[1], item[0]))
    ]


def _edits(config: CurateConfig, found: Totals) -> list[dict[str, Any]]:
    """Return for each rule about lines, and kind of repeated passages, what it took out of the documents that kept all rules."""
    known = rules_of(config)
    return [
        {"stage": stage, "rule": rule, **asdict(of_rule(known, stage, rule)), **counts}
        for stage, rules in found.edits.items()
        for rule, counts in rules.items()
    ]


def _histograms(config: CurateConfig, found: Totals, similarities: list[int]) -> list[dict[str, Any]]:
    """Return how the values of each rule lie, with its bound, for the documents that were measured."""
    known = rules_of(config)
    cuts = {(STAGE, found.rule): [found.low, found.high] for found in all_cuts(config.perplexity).values()}
    shares = summed([{"shares": counts["leakage_shares"]} for counts in found.by_source.values() if "leakage_shares" in counts])
    more = (
        ("near_duplicates", "near_duplicate", "candidate pairs", similarities),
        ("leakage", "near_duplicate_of_validation", "documents that share any with a held-out one", shares.get("shares", [])),
    )
    return [
        *(
            {
                "stage": histogram["set"],
                "rule": histogram["rule"],
                **asdict(of_rule(known, histogram["set"], histogram["rule"])),
                "marks": cuts.get((histogram["set"], histogram["rule"]), []),
                "of": "documents that came to the stage",
                "edges": histogram["edges"],
                "counts": histogram["counts"],
            }
            for histogram in found.histograms.to_json()
        ),
        *(
            {"stage": stage, "rule": rule, **asdict(of_rule(known, stage, rule)), "of": of, "edges": list(EDGES), "counts": counts}
            for stage, rule, of, counts in more
            if sum(counts)
        ),
    ]
