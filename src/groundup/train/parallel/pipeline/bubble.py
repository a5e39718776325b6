"""When each rank of a pipeline works, and what share of the time it waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

from groundup.train.parallel.config import PipelineSchedule
from groundup.train.parallel.pipeline.schedules import ORDERS
from groundup.train.parallel.pipeline.split import CHUNKS

Costs = Mapping[str, float]
EVEN: Final[Costs] = {"F": 1.0, "B": 2.0, "I": 1.0, "W": 1.0}
"""Of a forward pass, a backward pass, and the two halves of one: gradients of what was received, and of weights."""


@dataclass(frozen=True)
class Pass:
    """One pass of one micro-batch through one stage."""

    kind: str
    """F, B, I or W, as in `EVEN`."""
    stage: int
    micro_batch: int
    start: float
    end: float


def timeline(schedule: PipelineSchedule, pp: int, micro_batches: int, costs: Costs = EVEN) -> list[list[Pass]]:
    """Return what each rank does, if sending takes no time; a rank's stages together cost as much as `costs` say."""
    chunks = CHUNKS if schedule == "interleaved" else 1
    waiting = [list(passes) for passes in _orders(schedule, pp, micro_batches)]
    done: dict[tuple[str, int, int], float] = {}
    ranks: list[list[Pass]] = [[] for _ in waiting]
    while any(waiting):
        before = len(done)
        for rank, passes in enumerate(waiting):
            while passes and (ready := _ready(passes[0], done, pp * chunks)) is not None:
                kind, stage, number = passes.pop(0)
                start = max(ready, ranks[rank][-1].end if ranks[rank] else 0.0)
                end = start + costs[kind] / chunks
                ranks[rank].append(Pass(kind, stage, number, start, end))
                done["I" if kind == "B" else kind, stage, number] = end
        assert len(done) > before, f"no rank can go on: {waiting}"
    return ranks


def bubble_share(schedule: PipelineSchedule, pp: int, micro_batches: int, costs: Costs = EVEN) -> float:
    """Return the share of a step's passes in which a rank waits, over all ranks: (p - 1) / (m + p - 1) of gpipe and 1f1b."""
    ranks = timeline(schedule, pp, micro_batches, costs)
    span = max(each.end for rank in ranks for each in rank)
    return 1 - sum(each.end - each.start for rank in ranks for each in rank) / (span * pp)


def _ready(wanted: tuple[str, int, int], done: Mapping[tuple[str, int, int], float], stages: int) -> float | None:
    """Return when what the pass needs is there; None if that is not known yet."""
    kind, stage, number = wanted
    if kind == "W":
        return done.get(("I", stage, number))
    if kind == "F":
        return 0.0 if stage == 0 else done.get(("F", stage - 1, number))
    forward = done.get(("F", stage, number))
    after = forward if stage == stages - 1 else done.get(("I", stage + 1, number))
    return None if forward is None or after is None else max(forward, after)


@cache
def _orders(schedule: PipelineSchedule, pp: int, micro_batches: int) -> tuple[tuple[tuple[str, int, int], ...], ...]:
    """Return (kind, stage, micro-batch) of each rank's passes in their order."""
    if schedule in ("gpipe", "1f1b"):
        ahead = [micro_batches if schedule == "gpipe" else min(pp - stage, micro_batches) for stage in range(pp)]
        return tuple(_in_turn(stage, ahead[stage], micro_batches) for stage in range(pp))
    chunks = CHUNKS if schedule == "interleaved" else 1
    own: list[Any] = [
        SimpleNamespace(num_stages=pp * chunks, group_size=pp, group_rank=0, stage_index=chunk * pp, submod=None, is_last=False)
        for chunk in range(chunks)
    ]
    order = ORDERS[schedule].make(own, micro_batches).pipeline_order
    assert order is not None, "these tell their order"
    return tuple(
        tuple(
            (action.computation_type.value, action.stage_index, action.microbatch_index)
            for action in order[rank]
            if action is not None and action.microbatch_index is not None
        )
        for rank in range(pp)
    )


def _in_turn(stage: int, ahead: int, micro_batches: int) -> tuple[tuple[str, int, int], ...]:
    """Return some forward passes, then one backward and one forward pass in turn, then what is left."""
    backward = [("B", stage, number) for number in range(micro_batches)]
    forward = [("F", stage, number) for number in range(micro_batches)]
    turns = [each for pair in zip(backward, forward[ahead:], strict=False) for each in pair]
    return (*forward[:ahead], *turns, *backward[micro_batches - ahead :])
