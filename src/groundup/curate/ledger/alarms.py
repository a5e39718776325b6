"""What looks wrong in a finished curation: shares that are larger than the settings allow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from groundup.core.units import format_bytes
from groundup.curate.funnel import Funnel, StageFlow
from groundup.curate.groups.tally import ALL_STAGES
from groundup.curate.ledger.config import AlarmsConfig
from groundup.curate.ledger.groups import GroupFacts, StageOfGroup
from groundup.curate.ledger.tallies import Tally

MIN_DOCUMENTS = 20
"""A share of fewer documents says nothing about a rule or a kind of redaction."""
_MIN_RULE_LOSS = 0.1
"""A rule that drops less than this part of what a source brings to it is no matter of the source."""
WAYS_OUT = {
    "collect": "look at format, text_field and the files of the sources",
    "normalise": "the texts hold little but control characters and space",
    "perplexity": "name more buckets in curate.perplexity.keep, other curate.perplexity.cuts, or learn from text of this kind",
    "decontaminate": "look at contamination/; curate.decontaminate.min_share sets how much of an item may stand in a document",
    "deduplicate": "a source may be there twice; curate.deduplicate: false keeps copies",
    "languages": "curate.languages names what is kept, and from which probability on",
    "near_duplicates": "look at the clusters; curate.near_duplicates.threshold sets what is alike",
    "leakage": "many documents say much the same: twin_id in dropped/ names the held-out ones that take most with them; drop what "
    "is filled into templates by a rule set of your own, hold out less (curate.validation), or raise curate.leakage_threshold",
    "repeated_passages": "curate.repeated_passages sets what a passage is, and how many words must be left",
    "redact": "curate.redact.kinds chooses what is replaced",
}
_RULES = "choose other curate.rules, or a set of your own with other thresholds"


@dataclass(frozen=True)
class Alarm:
    """A share above its limit."""

    kind: str
    """The setting in `curate.alarms`."""
    where: str
    """Stage, source, rule of a stage, or kind of redaction in a source."""
    value: float
    limit: float
    message: str


@dataclass(frozen=True)
class Ground:
    """What alarms are judged by."""

    funnel: Funnel
    by_source: Mapping[str, Funnel]
    tallies: Mapping[str, Tally]
    """Source -> counts; `redactions_by_kind` those that hold a placeholder, `documents` and `validation` those that are kept."""
    groups: Sequence[GroupFacts] = ()


def raised(settings: AlarmsConfig, ground: Ground) -> tuple[Alarm, ...]:
    """Return all alarms, those about stages first."""
    stages = tuple(_stage_losses(settings, ground.funnel))
    return (
        *stages,
        *(_total_loss(settings, ground.funnel) if not any(alarm.kind == "stage_loss" for alarm in stages) else ()),
        *_source_losses(settings, ground.by_source),
        *_rules_of_one_source(settings, ground),
        *_redactions(settings, ground.tallies),
        *_group_losses(settings, ground.groups),
    )


def _stage_losses(settings: AlarmsConfig, funnel: Funnel) -> Iterator[Alarm]:
    for stage, flow in funnel.stages.items():
        documents, size = _losses(flow)
        value = max(documents, size)
        kind = "leakage_loss" if stage == "leakage" else "stage_loss"
        limit: float = getattr(settings, kind)
        if value > limit:
            lost = flow.docs_in - flow.docs_out
            most = flow.by_rule.most_common(1)
            rule = f"; rule '{most[0][0]}' dropped most ({_of_rule(flow, most[0][0])})" if most else ""
            yield Alarm(
                kind,
                stage,
                value,
                limit,
                f"stage '{stage}' took out {lost:,} of the {flow.docs_in:,} documents that came to it ({documents:.0%}) and "
                f"{size:.0%} of their bytes{rule}. {_way_out(stage)} (limit: curate.alarms.{kind} = {limit:g})",
            )


def _losses(flow: StageFlow) -> tuple[float, float]:
    """Return the parts of the documents and of the bytes that a stage took out."""
    return _lost(flow.docs_in, flow.docs_out), _lost(flow.bytes_in, flow.bytes_out)


def _lost(came: int, left: int) -> float:
    return 1 - left / came if came else 0.0


def _of_rule(flow: StageFlow, rule: str) -> str:
    size, number = flow.bytes_by_rule[rule], flow.by_rule[rule]
    return f"{number:,} document{'s' * (number != 1)}{f', {format_bytes(size)}' if size else ''}"


def _way_out(stage: str) -> str:
    return f"If that is not meant: {WAYS_OUT.get(stage, _RULES)}"


def _total_loss(settings: AlarmsConfig, funnel: Funnel) -> Iterator[Alarm]:
    first, last = _ends(funnel)
    lost = _lost(first.bytes_in, last.bytes_out)
    if lost > settings.total_loss:
        rule, size = funnel.costliest_rule()
        yield Alarm(
            "total_loss",
            "all stages",
            lost,
            settings.total_loss,
            f"all stages together took out {lost:.0%} of the bytes that the sources gave; rule '{rule}' took most "
            f"({format_bytes(size)}). If that is not meant: {_RULES} (limit: curate.alarms.total_loss = {settings.total_loss:g})",
        )


def _source_losses(settings: AlarmsConfig, by_source: Mapping[str, Funnel]) -> Iterator[Alarm]:
    for source, funnel in by_source.items():
        first, last = _ends(funnel)
        lost = _lost(first.bytes_in, last.bytes_out)
        if lost > settings.source_loss:
            stage, why = _worst(funnel)
            yield Alarm(
                "source_loss",
                source,
                lost,
                settings.source_loss,
                f"source '{source}' has nearly vanished: {last.docs_out:,} of {first.docs_in:,} documents and "
                f"{format_bytes(last.bytes_out)} of {format_bytes(first.bytes_in)} are left; {why}. {_way_out(stage)} "
                f"(limit: curate.alarms.source_loss = {settings.source_loss:g})",
            )


def _worst(funnel: Funnel) -> tuple[str, str]:
    """Return the stage that took most of a source, and what is to be said of it."""
    if funnel.total_dropped():
        stage, rule, number = funnel.worst_rule()
        return stage, f"rule '{rule}' of stage '{stage}' dropped most ({number:,})"
    stage = max(funnel.stages, key=lambda name: funnel.stages[name].bytes_in - funnel.stages[name].bytes_out)
    return stage, f"stage '{stage}' took most out of them"


def _ends(funnel: Funnel) -> tuple[StageFlow, StageFlow]:
    flows = list(funnel.stages.values())
    return flows[0], flows[-1]


def _rules_of_one_source(settings: AlarmsConfig, ground: Ground) -> Iterator[Alarm]:
    """Yield the rules that hit one source alone, though it is a small part of what they look at."""
    for stage, flow in ground.funnel.stages.items():
        for rule, dropped in flow.by_rule.items():
            counts = {source: funnel.stages[stage].by_rule[rule] for source, funnel in ground.by_source.items()}
            source = max(counts, key=lambda name: counts[name])
            asked = ground.by_source[source].stages[stage].docs_in
            value, share = counts[source] / dropped, asked / max(flow.docs_in, 1)
            if (
                dropped >= MIN_DOCUMENTS
                and value > settings.rule_source
                and share < value / 2
                and counts[source] > _MIN_RULE_LOSS * asked
            ):
                yield Alarm(
                    "rule_source",
                    f"{stage}: {rule}",
                    value,
                    settings.rule_source,
                    f"rule '{rule}' of stage '{stage}' drops nearly only source '{source}': {counts[source]:,} of its {dropped:,} "
                    f"drops, though the source is {share:.0%} of the documents that it is asked about. It may not suit that text. "
                    f"{_way_out(stage)} (limit: curate.alarms.rule_source = {settings.rule_source:g})",
                )


def _redactions(settings: AlarmsConfig, tallies: Mapping[str, Tally]) -> Iterator[Alarm]:
    for source, tally in tallies.items():
        kept = tally.get("documents", 0) + tally.get("validation", 0)
        for kind, found in sorted(tally.get("redactions_by_kind", {}).items()):
            value = found["documents"] / max(kept, 1)
            if value > settings.redacted_documents and kept >= MIN_DOCUMENTS:
                yield Alarm(
                    "redacted_documents",
                    f"{source}: {kind}",
                    value,
                    settings.redacted_documents,
                    f"redaction found '{kind}' in {found['documents']:,} of the {kept:,} kept documents of source '{source}' "
                    f"({value:.0%}): what it takes for one may be something else. Look at redactions/ and the text there; "
                    f"curate.redact.kinds chooses what is replaced (limit: curate.alarms.redacted_documents = "
                    f"{settings.redacted_documents:g})",
                )


def _group_losses(settings: AlarmsConfig, groups: Sequence[GroupFacts]) -> Iterator[Alarm]:
    """Yield the stages that take out many more of the documents that name a group than of others; if none does, all together."""
    found: dict[str, list[tuple[str, StageOfGroup]]] = {}
    for one in groups:
        for stage in one.stages:
            if _is_hit(stage, settings.group_loss):
                found.setdefault(stage.stage, []).append((one.group, stage))
    if not found:
        whole = [(one.group, one.whole) for one in groups if _is_hit(one.whole, settings.group_loss)]
        found = {whole[0][1].stage: whole} if whole else {}
    for where, hits in found.items():
        yield _group_loss(where, sorted(hits, key=lambda hit: -_surely(hit[1])), settings.group_loss)


def _is_hit(stage: StageOfGroup, limit: float) -> bool:
    """Return whether the difference is above the limit for sure, and not by the sources that the documents are of alone."""
    found = stage.difference
    return found is not None and stage.flow.came >= MIN_DOCUMENTS and min(found.low, found.within_sources) > limit


def _surely(stage: StageOfGroup) -> float:
    return stage.difference.low if stage.difference is not None else 0.0


def _group_loss(where: str, hits: Sequence[tuple[str, StageOfGroup]], limit: float) -> Alarm:
    group, worst = hits[0]
    found, flow = worst.difference, worst.flow
    assert found is not None, "only what was compared is a hit"
    rule = max(flow.by_rule, key=lambda name: flow.by_rule[name], default=None)
    most = f", most by rule '{rule}'" if rule is not None and len(flow.by_rule) > 1 else ""
    others = "; the same holds for " + ", ".join(name for name, _ in hits[1:]) if len(hits) > 1 else ""
    who = f"stage '{where}'" if where != ALL_STAGES else "all stages together"
    return Alarm(
        "group_loss",
        f"{where}: {group}",
        found.low,
        limit,
        f"{who} took out {worst.share:.0%} of the {flow.came:,} documents that name '{group}' ({flow.dropped:,}{most}) and "
        f"{worst.share_of_others:.0%} of the others, a difference of {found.low:.0%} to {found.high:.0%}{others}. "
        f"{_way_out(where)} (limit: curate.alarms.group_loss = {limit:g})",
    )
