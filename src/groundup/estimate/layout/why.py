"""What binds a layout, in words."""

from collections.abc import Mapping
from typing import Final

from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.rooms import memory_of
from groundup.train.parallel.config import Layout

GIB = 2**30
PART_WORDS: Final[dict[str, str]] = {
    "recompute_s": "computing blocks again",
    "bubble_s": "the pipeline's bubble",
    "tp_s": "sums over tensor-parallel ranks",
    "cp_s": "gathering keys and values",
    "pp_s": "passing the stream between stages",
    "dp_s": "data-parallel communication that nothing hides",
    "update_s": "the optimizer's step",
}
SMALL_SHARE = 0.01
"""Parts of a step below this are not told."""
LESS: Final = {"full": ("selective", "none"), "selective": ("none",), "none": ()}


def why(problem: Problem, layout: Layout, total_bytes: int, parts_s: Mapping[str, float], mfu: float) -> str:
    """Return where the step's time goes, and what of the memory keeps it from being shorter."""
    step_s = sum(parts_s.values())
    shares = {name: parts_s[name] / step_s for name in PART_WORDS}
    told = [
        f"{share:.0%} {PART_WORDS[name]}"
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= SMALL_SHARE
    ]
    time = f"computing takes {parts_s['compute_s'] / step_s:.0%} of the step, at an MFU of {mfu:.0%} in all"
    room = f"{total_bytes / GIB:.1f} of {problem.hardware.memory_gib:.1f} GiB"
    return "; ".join([", ".join([time, *told]), *_bound_by_memory(problem, layout), room])


def _bound_by_memory(problem: Problem, layout: Layout) -> list[str]:
    """Say what faster setting does not fit."""
    found = []
    for setting in LESS[layout.recompute]:
        needed = memory_of(problem, layout.model_copy(update={"recompute": setting})).total
        if needed > problem.hardware.memory_bytes:
            found.append(f"recompute={setting} would need {needed / GIB:.1f} GiB")
            break
    if layout.offload != "none":
        needed = memory_of(problem, layout.model_copy(update={"offload": "none"})).total
        found.append(f"without offloading {needed / GIB:.1f} GiB")
    larger = 2 * layout.micro_batch
    if not (problem.batch_sequences // layout.dp) % larger:
        needed = memory_of(problem, layout.model_copy(update={"micro_batch": larger})).total
        if needed > problem.hardware.memory_bytes:
            found.append(f"micro-batch {larger} would need {needed / GIB:.1f} GiB")
        elif layout.pp > 1:
            found.append(f"micro-batch {larger} would widen the bubble")
    return found
