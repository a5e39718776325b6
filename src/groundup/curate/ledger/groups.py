"""What each stage does to documents that name groups of people, beside what it does to the others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from groundup.curate.groups.compare import Difference, difference
from groundup.curate.groups.tally import ALL_STAGES, GroupFlow, flows_of
from groundup.curate.ledger.tallies import Tally, summed


@dataclass(frozen=True)
class StageOfGroup:
    """What one stage, or all, did with the documents that name a group."""

    stage: str
    flow: GroupFlow
    difference: Difference | None
    """None if nothing is there to compare: no document names the group, or all do."""

    @property
    def share(self) -> float:
        """Of the documents that name the group and came to the stage: those that it dropped."""
        return self.flow.dropped / max(self.flow.came, 1)

    @property
    def share_of_all(self) -> float:
        flow = self.flow
        return (flow.dropped + flow.others_dropped) / max(flow.came + flow.others_came, 1)

    @property
    def share_of_others(self) -> float:
        return self.flow.others_dropped / max(self.flow.others_came, 1)

    def to_json(self) -> dict[str, Any]:
        shares = {"share": self.share, "share_of_others": self.share_of_others, "share_of_all": self.share_of_all}
        found = asdict(self.difference) if self.difference is not None else None
        return {"stage": self.stage, **asdict(self.flow), **shares, "difference": found}


@dataclass(frozen=True)
class GroupFacts:
    """The documents that name one group on their way through the stages."""

    group: str
    whole: StageOfGroup
    stages: tuple[StageOfGroup, ...]
    """Those that dropped something, in their order."""

    @property
    def before(self) -> int:
        return self.whole.flow.came

    @property
    def after(self) -> int:
        return self.before - self.whole.flow.dropped

    def to_json(self) -> dict[str, Any]:
        counts = {"group": self.group, "documents_before": self.before, "documents_after": self.after}
        return {**counts, "whole": self.whole.to_json(), "stages": [stage.to_json() for stage in self.stages]}


def group_facts(names: Sequence[str], stages: Sequence[str], by_source: Mapping[str, Tally]) -> tuple[GroupFacts, ...]:
    """Return the facts of each group; the tallies of the sources hold what `GroupTally` counted, under `groups`."""
    tallies = [tally["groups"] for tally in by_source.values() if "groups" in tally]
    together = summed(tallies)
    facts = []
    for bit, name in enumerate(names):
        flows = flows_of(together, stages, bit)
        of_sources = [flows_of(tally, stages, bit) for tally in tallies]
        found = [
            StageOfGroup(stage, flow, difference(flow, [one[stage] for one in of_sources if stage in one]))
            for stage, flow in flows.items()
        ]
        assert found[0].stage == ALL_STAGES, "flows begin with all stages"
        facts.append(GroupFacts(name, found[0], tuple(found[1:])))
    return tuple(facts)
