"""Documents that name groups, counted where they come in and where they are dropped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundup.curate.ledger.tallies import Tally

ALL_STAGES = "all stages"


class GroupTally:
    """Counts documents by the set of groups that they name, as bits (`GroupFinder.find`)."""

    def __init__(self) -> None:
        self._came: Counter[int] = Counter()
        self._dropped: dict[tuple[str, str], Counter[int]] = {}

    def came(self, masks: Sequence[int]) -> None:
        """Count documents that come to the first stage after they were read."""
        self._came.update(masks)

    def dropped(self, stage: str, rule: str, mask: int) -> None:
        """Count one of them that a rule of a stage takes out."""
        self._dropped.setdefault((stage, rule), Counter())[mask] += 1

    def to_tally(self) -> Tally:
        """Return the counts as JSON values, which add up: those that came, and those dropped by stage and rule."""
        dropped: Tally = {}
        for (stage, rule), masks in sorted(self._dropped.items()):
            dropped.setdefault(stage, {})[rule] = _by_mask(masks)
        return {"came": _by_mask(self._came), "dropped": dropped}


def _by_mask(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(mask): counts[mask] for mask in sorted(counts)}


@dataclass(frozen=True)
class GroupFlow:
    """What a stage did with the documents that name a group, and with the others."""

    came: int
    dropped: int
    others_came: int
    others_dropped: int
    by_rule: Mapping[str, int]
    """Rule -> documents of the group that it dropped."""


def flows_of(tally: Tally, stages: Sequence[str], bit: int) -> dict[str, GroupFlow]:
    """Return what each stage that dropped something did with the group of this bit; first, all stages together."""
    came, all_came = _counted(tally.get("came", {}), bit)
    dropped = {stage: _rules(rules, bit) for stage, rules in tally.get("dropped", {}).items()}
    flows: dict[str, GroupFlow] = {}
    left, all_left = came, all_came
    for stage in stages:
        rules = dropped.get(stage, {})
        gone, all_gone = sum(own for own, _ in rules.values()), sum(every for _, every in rules.values())
        if all_gone:
            by_rule = {rule: own for rule, (own, _) in rules.items() if own}
            flows[stage] = GroupFlow(left, gone, all_left - left, all_gone - gone, by_rule)
        left, all_left = left - gone, all_left - all_gone
    whole = GroupFlow(came, came - left, all_came - came, all_came - all_left - (came - left), {})
    return {ALL_STAGES: whole, **flows}


def _counted(counts: Mapping[str, int], bit: int) -> tuple[int, int]:
    """Return the documents that name the group, and all."""
    return sum(number for mask, number in counts.items() if int(mask) >> bit & 1), sum(counts.values())


def _rules(rules: Mapping[str, Mapping[str, int]], bit: int) -> dict[str, tuple[int, int]]:
    return {rule: _counted(counts, bit) for rule, counts in rules.items()}
