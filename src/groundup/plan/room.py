"""How much memory a run may take, and what fits into it."""

import math
from collections.abc import Iterator
from dataclasses import replace

from groundup.core.units import format_bytes
from groundup.estimate.layout.process import process_memory
from groundup.estimate.memory import ALLOCATOR_SHARE
from groundup.estimate.workload import Workload
from groundup.plan.config import PlanConfig
from groundup.plan.shapes import describe, family
from groundup.plan.situation import Situation
from groundup.train.config import Recompute, TrainConfig
from groundup.train.parallel.automatic import MEMORY_SHARE, Chosen, Room, choose, short
from groundup.train.parallel.config import Layout, said_layout

_RECOMPUTES: tuple[Recompute, ...] = ("none", "selective", "full")
"""The one that takes the most memory first."""


def placed(
    workload: Workload, train: TrainConfig, situation: Situation, share: float = ALLOCATOR_SHARE, held: int | None = None
) -> Chosen:
    """Return how the run lies on its processes, and the peak memory of one by component [bytes].

    The copy that checkpoints are written from is included. `held` is what the process holds without the model, if more by now than
    at first: the compiler's part. A CUDA card has a memory of its own, in which neither this nor the copy lies.
    """
    compiler = max(0, (held or 0) - situation.held_bytes)
    room = Room(memory_limit(train, situation), situation.held_bytes, situation.device != "cuda", share, compiler)
    return choose(workload, situation.processes.layouts(workload), room)


def peak_memory(workload: Workload, situation: Situation) -> dict[str, int]:
    """Return the peak memory of the run in one process by component [bytes]."""
    return process_memory(workload, Layout(), situation.held_bytes, situation.device != "cuda")


def memory_limit(train: TrainConfig, situation: Situation) -> int:
    """Return the bytes that the peak memory of the run may come to in a process."""
    available = situation.machine.available_bytes // situation.processes.sharing
    if train.memory_cap is None:
        return situation.held_bytes + int(MEMORY_SHARE * available)
    return min(train.memory_cap, situation.held_bytes + available)


def fits(workload: Workload, train: TrainConfig, situation: Situation, share: float = ALLOCATOR_SHARE) -> bool:
    """Return whether the run stays within its limit."""
    return placed(workload, train, situation, share).fits


def divisors(number: int) -> list[int]:
    """Return all divisors, ascending; takes the square root of `number` in steps."""
    small = [divisor for divisor in range(1, math.isqrt(number) + 1) if number % divisor == 0]
    large = [number // divisor for divisor in reversed(small) if divisor**2 != number]
    return small + large


def too_large(workload: Workload, situation: Situation, config: PlanConfig, share: float = ALLOCATOR_SHARE) -> str:
    """Return what to say of a run that does not fit: what it needs, what there is, and the nearest settings that do fit."""
    train = config.pretrain
    around = situation.held_bytes if train.memory_cap is None else 0  # a cap is on the whole process
    place = placed(workload, train, situation, share)
    need, limit = place.total - around, memory_limit(train, situation) - around
    allowed = f"{MEMORY_SHARE:.0%} of what is available"
    if situation.processes.sharing > 1:
        allowed += f" to each of {situation.processes.sharing} processes"
    if train.memory_cap is not None:
        allowed = f"pretrain.memory_cap={train.memory_cap:,}, the process with its libraries included"
    ways = list(_shared(workload, situation, place, around, share))
    ways += [
        f"{name} ({format_bytes(placed(way, train, situation, share).total - around)})"
        for name, way in (*_lighter(workload, situation, train, share), *_smaller(workload, situation, config, share))
    ]
    under = f" a process with {short(place.layout)}" if situation.processes.size > 1 else ""
    last = "free some memory, or lower pretrain.seq_len and tokenizer.vocab_size"
    return (
        f"model: {describe(workload.model)} with pretrain.micro_batch={workload.micro_batch} x {train.seq_len} tokens "
        f"needs {format_bytes(need)} of memory{under}; {format_bytes(limit)} may be used ({allowed}); {'; or '.join(ways) or last}"
    )


def _shared(workload: Workload, situation: Situation, place: Chosen, around: int, share: float) -> Iterator[str]:
    """Yield the least that data-parallel ranks would have to share of it, where the recipe says that they share less."""
    layout = place.layout
    if said_layout(situation.processes.said) is None or layout.dp == 1 or layout.local_sgd is not None:
        return
    for zero in (1, 2, 3)[layout.zero :]:
        other = layout.model_copy(update={"zero": zero})
        total = process_memory(workload, other, situation.held_bytes, situation.device != "cuda", share)["total"]
        if total <= place.limit_bytes:
            yield f"set parallel.zero={zero} ({format_bytes(total - around)})"
            return


def _lighter(workload: Workload, situation: Situation, train: TrainConfig, share: float) -> Iterator[tuple[str, Workload]]:
    """Yield ways to train the same model that fit, with the settings that lead there."""
    splits = [number for number in reversed(divisors(workload.batch_sequences)) if number <= workload.micro_batch]
    for recompute in _RECOMPUTES[_RECOMPUTES.index(workload.recompute) :]:
        ways = (replace(workload, micro_batch=split, recompute=recompute) for split in splits)
        way = next((way for way in ways if fits(way, train, situation, share)), None)
        if way is not None:
            settings = {"micro_batch": (workload.micro_batch, way.micro_batch), "recompute": (workload.recompute, recompute)}
            changed = [f"pretrain.{name}={now}" for name, (before, now) in settings.items() if before != now]
            yield f"set {' and '.join(changed)}", way


def _smaller(workload: Workload, situation: Situation, config: PlanConfig, share: float) -> Iterator[tuple[str, Workload]]:
    """Yield the largest model of the family that fits."""
    free = dict.fromkeys(("dim", "num_layers", "num_encoder_layers", "num_heads", "ffn_dim"))
    free_size = config.model.model_copy(update=free)
    smaller = [
        replace(workload, model=model, micro_batch=micro_batch)
        for micro_batch in sorted({workload.micro_batch, 1}, reverse=True)
        for model in reversed(family(free_size, situation.vocab_size, config.pretrain.seq_len))
    ]
    way = next((way for way in smaller if fits(way, config.pretrain, situation, share)), None)
    if way is not None:
        size = f"model.dim={way.model.dim}, model.num_layers={way.model.num_layers}"
        yield f"the largest of the family that fits: {size}, pretrain.micro_batch={way.micro_batch}", way
