"""How many documents and bytes each stage let through, with the reasons of the rest."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StageFlow:
    """What went through one stage."""

    docs_in: int = 0
    docs_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    bytes_by_rule: Counter[str] = field(default_factory=Counter)


class Funnel:
    """The stages in their order. Bytes are UTF-8 bytes of text."""

    def __init__(self, stages: list[str]) -> None:
        self.stages = {name: StageFlow() for name in stages}

    def passed(self, stage: str, bytes_in: int, bytes_out: int | None = None) -> None:
        """Count a document that stays; `bytes_out` differs from `bytes_in` if the stage changed it."""
        flow = self.stages[stage]
        flow.docs_in += 1
        flow.docs_out += 1
        flow.bytes_in += bytes_in
        flow.bytes_out += bytes_in if bytes_out is None else bytes_out

    def dropped(self, stage: str, rule: str, bytes_in: int) -> None:
        flow = self.stages[stage]
        flow.docs_in += 1
        flow.bytes_in += bytes_in
        flow.by_rule[rule] += 1
        flow.bytes_by_rule[rule] += bytes_in

    def to_tally(self) -> dict[str, Any]:
        """Return the counts as JSON values, for `add` to read back."""
        return {name: dict(vars(flow)) for name, flow in self.stages.items()}

    def add(self, tally: dict[str, Any]) -> None:
        """Add the counts of another funnel with the same stages."""
        for name, flow in self.stages.items():
            for field_name, count in tally[name].items():
                if isinstance(count, dict):
                    getattr(flow, field_name).update(count)
                else:
                    setattr(flow, field_name, getattr(flow, field_name) + count)

    def total_dropped(self) -> int:
        return sum(flow.by_rule.total() for flow in self.stages.values())

    def worst_rule(self) -> tuple[str, str, int]:
        """Return (stage, rule, documents) of the rule that dropped most."""
        counts = [(number, stage, rule) for stage, flow in self.stages.items() for rule, number in flow.by_rule.items()]
        number, stage, rule = max(counts, key=lambda count: count[0])
        return stage, rule, number

    def costliest_rule(self) -> tuple[str, int]:
        """Return (rule, bytes) of the rule that dropped most bytes; ('', 0) if nothing was dropped."""
        counts = [(rule, number) for flow in self.stages.values() for rule, number in flow.bytes_by_rule.items()]
        return max(counts, key=lambda count: count[1], default=("", 0))

    def byte_yield(self) -> float:
        """Return the bytes that came through over those that the sources gave."""
        flows = list(self.stages.values())
        return flows[-1].bytes_out / max(flows[0].bytes_in, 1)

    def check_flow(self) -> None:
        """Raise AssertionError if a document went missing between or inside stages."""
        flows = list(self.stages.items())
        for name, flow in flows:
            assert flow.docs_in == flow.docs_out + flow.by_rule.total(), f"stage {name} lost documents without a reason"
        for (before, flow), (after, following) in itertools.pairwise(flows):
            assert flow.docs_out == following.docs_in, f"documents went missing between {before} and {after}"
            assert flow.bytes_out == following.bytes_in, f"bytes went missing between {before} and {after}"

    def to_json(self) -> dict[str, Any]:
        """Return the contents of funnel.json; the yield is in parts of what the sources gave."""
        flows = list(self.stages.values())
        stages = [
            {
                "stage": name,
                "docs_in": flow.docs_in,
                "docs_out": flow.docs_out,
                "bytes_in": flow.bytes_in,
                "bytes_out": flow.bytes_out,
                "by_rule": _by_size(flow.by_rule),
                "bytes_by_rule": _by_size(flow.bytes_by_rule),
            }
            for name, flow in self.stages.items()
        ]
        share = {
            "docs": flows[-1].docs_out / max(flows[0].docs_in, 1),
            "bytes": self.byte_yield(),
        }
        return {"stages": stages, "yield": {**share, "denominator": "all documents that the sources gave, before any stage"}}


def _by_size(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
